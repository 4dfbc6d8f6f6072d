from runtimes.frameworks.vllm.architectures import knows
from tests.runtimes.frameworks.engines import a_home, an_engine


def test_what_vllm_does_not_list_may_run(tmp_path):
    listed = b'MODELS = {\n    "LlamaForCausalLM": ("llama", "LlamaForCausalLM"),\n}\n'
    program = a_home(tmp_path, "vllm/model_executor/models/registry.py", listed)
    engine = an_engine("vllm", program)
    assert knows(engine, ["LlamaForCausalLM"]) is True
    assert knows(engine, ["Other", "LlamaForCausalLM"]) is True
    assert knows(engine, ["ForCausalLM"]) is None
    assert knows(engine, []) is None
