"""The test model as vLLM takes it: `PYTHON hf_folder.py MODEL.gguf FOLDER`, with the
Python of vLLM's environment. Only that one has what is imported here."""

import sys
from importlib import import_module
from pathlib import Path


def main(gguf: Path, folder: Path) -> None:
    torch, transformers = import_module("torch"), import_module("transformers")
    source = {
        "pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name,
    }  # fmt: skip
    causal = transformers.AutoModelForCausalLM
    read = causal.from_pretrained(**source, dtype=torch.bfloat16)
    config = transformers.AutoConfig.from_pretrained(**source)
    # It was quantised as a GGUF; what is written is not.
    vars(config).pop("quantization_config", None)
    model = causal.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(read.state_dict())
    model.save_pretrained(folder)
    # Written last: it tells that all is there.
    transformers.AutoTokenizer.from_pretrained(**source).save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
