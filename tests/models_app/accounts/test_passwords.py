import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError


@pytest.mark.parametrize(
    "password",
    [
        "Password123!", "password2024!!", "P@ssw0rd1234", "123Qwerty!!!",
        "$$Dragon2024", "aaaaaaaaaaaa", "abababababab", "short-Xq7", "123456789012345",
        "!Letmein2024!", "Sup3rman!234", "iloveyou_2026",
    ],
)  # fmt: skip
def test_guessable_password_is_rejected(password):
    with pytest.raises(ValidationError):
        validate_password(password)


@pytest.mark.parametrize(
    "password",
    [
        "long enough 17", "correct horse battery", "tRk-99-lantern-oboe",
        "dragon-7193-2284-6651", "u8Vqk2Lm0Zxw", "蓝色的山和安静的湖水很美丽",
    ],
)  # fmt: skip
def test_good_password_is_accepted(password):
    validate_password(password)
