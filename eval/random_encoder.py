"""Save a small image encoder with random weights: what fine-tuning on pictures does by itself.

    python eval/random_encoder.py vit OUT
    python eval/random_encoder.py open_clip OUT --pixels 64 --dims 128 --layers 4

Where no pretrained weights are at hand, an encoder that knows nothing still shows whether the way
from pictures to recommendations works, and what it costs. `beekit train` takes OUT as its encoder.
"""

from __future__ import annotations

import argparse

import torch
from sentence_transformers import SentenceTransformer
from transformers import ViTConfig, ViTImageProcessor, ViTModel

from beekit import load_encoder
from beekit.encoders.open_clip import OpenCLIP

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("kind", choices=["vit", "open_clip"])
parser.add_argument("out", help="folder to write")
parser.add_argument("--pixels", type=int, default=64, help="side of the pictures it takes")
parser.add_argument("--patch", type=int, default=8, help="side of a patch")
parser.add_argument("--dims", type=int, default=128, help="of the embeddings, a multiple of 32")
parser.add_argument("--layers", type=int, default=4)
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

if options.kind == "vit":
    torch.manual_seed(options.seed)
    config = ViTConfig(
        hidden_size=options.dims,
        num_hidden_layers=options.layers,
        num_attention_heads=options.dims // 32,
        intermediate_size=4 * options.dims,
        image_size=options.pixels,
        patch_size=options.patch,
    )
    ViTModel(config, add_pooling_layer=False).save_pretrained(options.out)
    size = {"height": options.pixels, "width": options.pixels}
    ViTImageProcessor(size=size).save_pretrained(options.out)
    encoder = load_encoder(options.out, device="cpu")
else:
    tower = {"layers": options.layers, "width": options.dims}
    module = OpenCLIP.from_config(
        {
            "embed_dim": options.dims,
            "vision_cfg": {
                **tower,
                "image_size": options.pixels,
                "patch_size": options.patch,
                "head_width": 32,
            },
            "text_cfg": {**tower, "heads": options.dims // 32, "context_length": 32},
        },
        seed=options.seed,
    )
    encoder = SentenceTransformer(modules=[module], device="cpu")
    encoder.save(options.out)
parameters = sum(p.numel() for p in encoder.parameters())
print(f"{options.out}: {options.kind}, {parameters:,} parameters, random weights")
