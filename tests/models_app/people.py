"""Who may be at the keyboard in tests of the admin."""

from django.test import Client

from tests.builders import a_user

ROLES = ("anonymous", "outsider", "viewer", "operator", "admin", "superuser")


def client_as(role: str) -> Client:
    """outsider: may enter the admin, but is in no group."""
    client = Client()
    if role != "anonymous":
        client.force_login(a_person(role))
    return client


def a_person(role: str):
    if role == "outsider":
        return a_user(name="outsider", is_staff=True)
    if role == "superuser":
        return a_user(name="root", is_staff=True, is_superuser=True)
    return a_user(role, is_staff=True)


def page_of(client, url, **headers) -> str:
    answer = client.get(url, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()
