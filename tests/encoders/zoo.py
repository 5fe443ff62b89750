"""Tiny encoders of every kind of module and every family of models, saved as folders.

Each builder writes a folder that `SentenceTransformer(folder)` loads, or one that it cannot use.
None is downloaded; the words are those of the texts given.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from families import save_dual, save_vision
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules as st
from sentence_transformers.sentence_transformer.modules.tokenizer import WhitespaceTokenizer
from transformers import PreTrainedTokenizerFast

from beekit.quickstart import build_encoder

Builder = Callable[[Path, Sequence[str]], None]
DIMS = 16
# Positions of every model that has a table of them.
POSITIONS = 64
_SHAPE = {
    **{"hidden_size": DIMS, "num_hidden_layers": 2, "num_attention_heads": 2},
    **{"intermediate_size": 32, "max_position_embeddings": POSITIONS},
}


def tokenizer_of(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """A tokenizer of whole words, with the special tokens of BERT."""
    tokenizer: PreTrainedTokenizerFast = build_encoder(texts, dims=DIMS, layers=1).tokenizer
    return tokenizer


def drawn(make: Callable[[], Any]) -> Any:
    """What a function makes with weights drawn from seed 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


def save_plain(
    folder: Path, texts: Sequence[str], family: str, model: str = "Model", **options: Any
) -> None:
    """A text model of transformers with its tokenizer, as transformers saves it."""
    tokenizer = tokenizer_of(texts)
    named = {
        **{"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id},
        **{"bos_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.sep_token_id},
    }
    config = getattr(transformers, f"{family}Config")(**{**_SHAPE, **named, **options})
    drawn(lambda: getattr(transformers, f"{family}{model}")(config)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def joined(folder: Path, *further: torch.nn.Module, pooling: Any = "mean", **options: Any) -> None:
    """Turn a folder of transformers into one of a SentenceTransformer with further modules."""
    transformer = st.Transformer(str(folder))
    parts = [transformer]
    if pooling is not None:
        parts.append(st.Pooling(DIMS, pooling, **options))
    SentenceTransformer(modules=[*parts, *further], device="cpu").save(
        str(folder), create_model_card=False
    )


def text_model(family: str, model: str = "Model", pooling: Any = "mean", **options: Any) -> Builder:
    """A model of transformers and a pooling."""

    def build(folder: Path, texts: Sequence[str]) -> None:
        save_plain(folder, texts, family, model, **options)
        joined(folder, pooling=pooling)

    return build


def pooled(mode: Any) -> Builder:
    return text_model("Bert", pooling=mode)


def followed_by(*make: Callable[[], torch.nn.Module], pooling: Any = "mean") -> Builder:
    """A BERT with modules after its pooling."""

    def build(folder: Path, texts: Sequence[str]) -> None:
        save_plain(folder, texts, "Bert")
        joined(folder, *(drawn(one) for one in make), pooling=pooling)

    return build


def left_padded(folder: Path, texts: Sequence[str]) -> None:
    """A decoder that pads on the left and pools its last token, as Qwen3-Embedding does."""
    save_plain(folder, texts, "Qwen3", num_key_value_heads=1, head_dim=8)
    transformer = st.Transformer(str(folder))
    transformer.tokenizer.padding_side = "left"
    SentenceTransformer(modules=[transformer, st.Pooling(DIMS, "lasttoken")], device="cpu").save(
        str(folder), create_model_card=False
    )


def no_padding_token(folder: Path, texts: Sequence[str]) -> None:
    text_model("GPT2", pooling="lasttoken")(folder, texts)
    for path in folder.glob("*token*.json"):
        content = json.loads(path.read_text())
        if "pad_token" in content:
            del content["pad_token"]
            path.write_text(json.dumps(content))


def weighted_layers(folder: Path, texts: Sequence[str]) -> None:
    save_plain(folder, texts, "Bert", output_hidden_states=True)
    transformer = st.Transformer(str(folder))
    layers = st.WeightedLayerPooling(DIMS, num_hidden_layers=2, layer_start=1)
    modules = [transformer, layers, st.Pooling(DIMS)]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)


def static(folder: Path, texts: Sequence[str], *further: torch.nn.Module) -> None:
    """One vector a token, as model2vec distils them."""
    module = drawn(lambda: st.StaticEmbedding(tokenizer_of(texts), embedding_dim=DIMS))
    SentenceTransformer(modules=[module, *further], device="cpu").save(
        str(folder), create_model_card=False
    )


def static_normalised(folder: Path, texts: Sequence[str]) -> None:
    static(folder, texts, st.Normalize())


def words(
    *make: Callable[[list[str]], torch.nn.Module], update: bool = True, padding: float = 0.0
) -> Builder:
    """Vectors of whole words, and modules before their pooling."""

    def build(folder: Path, texts: Sequence[str]) -> None:
        vocabulary = ["PADDING_TOKEN", *sorted({word for text in texts for word in text.split()})]
        weights = drawn(lambda: torch.randn(len(vocabulary), DIMS))
        weights[0] = padding
        first = st.WordEmbeddings(WhitespaceTokenizer(vocabulary), weights, update)
        further = [drawn(lambda one=one: one(vocabulary)) for one in make]
        dims = [m.get_embedding_dimension() for m in further if isinstance(m, st.LSTM | st.CNN)]
        modules = [first, *further, st.Pooling(dims[-1] if dims else DIMS)]
        encoder = SentenceTransformer(modules=modules, device="cpu")
        encoder.save(str(folder), create_model_card=False)

    return build


def word_counts(folder: Path, texts: Sequence[str], *further: torch.nn.Module) -> None:
    vocabulary = sorted({word for text in texts for word in text.split()})
    bow = st.BoW(vocabulary, {vocabulary[0]: 2.5})
    modules = [bow, *(m for m in further)]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)


def projected_counts(folder: Path, texts: Sequence[str]) -> None:
    size = len({word for text in texts for word in text.split()})
    word_counts(folder, texts, drawn(lambda: st.Dense(size, DIMS)))


def routed(default: str | None, kind: type[torch.nn.Module] = st.Router) -> Builder:
    """Queries by static vectors, documents by a BERT."""

    def build(folder: Path, texts: Sequence[str]) -> None:
        inside = folder / "inside"
        save_plain(inside, texts, "Bert")
        document = [st.Transformer(str(inside)), st.Pooling(DIMS)]
        query = [drawn(lambda: st.StaticEmbedding(tokenizer_of(texts), embedding_dim=DIMS))]
        router = kind(
            {"query": query, "document": document}, default_route=default, allow_empty_key=False
        )
        encoder = SentenceTransformer(modules=[router, st.Normalize()], device="cpu")
        encoder.save(str(folder), create_model_card=False)

    return build


def asymmetric(folder: Path, texts: Sequence[str]) -> None:
    """Other routes than queries and documents, and none by default."""
    inside = folder / "inside"
    save_plain(inside, texts, "Bert")
    first = [st.Transformer(str(inside)), st.Pooling(DIMS)]
    second = [drawn(lambda: st.StaticEmbedding(tokenizer_of(texts), embedding_dim=DIMS))]
    router = st.Router({"left": first, "right": second}, allow_empty_key=False)
    SentenceTransformer(modules=[router], device="cpu").save(str(folder), create_model_card=False)


def by_modality(folder: Path, texts: Sequence[str]) -> None:
    """Texts by a BERT, pictures by a ViT, each along its own route."""
    save_plain(folder / "bert", texts, "Bert")
    save_vision("vit", folder / "vit")
    text = [st.Transformer(str(folder / "bert")), st.Pooling(DIMS)]
    image = [st.Transformer(str(folder / "vit")), st.Pooling(DIMS)]
    router = st.Router({"text": text, "image": image})
    SentenceTransformer(modules=[router], device="cpu").save(str(folder), create_model_card=False)


def sparse(folder: Path, texts: Sequence[str]) -> None:
    """A SPLADE: one weight a word of the vocabulary."""
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    save_plain(folder / "mlm", texts, "Bert", "ForMaskedLM")
    modules = [st.Transformer(str(folder / "mlm"), transformer_task="fill-mask"), SpladePooling()]
    SparseEncoder(modules=modules, device="cpu").save(str(folder), create_model_card=False)


def sparse_autoencoder(folder: Path, texts: Sequence[str]) -> None:
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import SparseAutoEncoder

    save_plain(folder / "bert", texts, "Bert")
    further = drawn(lambda: SparseAutoEncoder(DIMS, hidden_dim=32, k=4))
    modules = [st.Transformer(str(folder / "bert")), st.Pooling(DIMS), further]
    SparseEncoder(modules=modules, device="cpu").save(str(folder), create_model_card=False)


def sparse_static(folder: Path, texts: Sequence[str]) -> None:
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding

    modules = [SparseStaticEmbedding(tokenizer_of(texts))]
    SparseEncoder(modules=modules, device="cpu").save(str(folder), create_model_card=False)


def cross(folder: Path, texts: Sequence[str]) -> None:
    """A classifier of pairs of texts."""
    from sentence_transformers import CrossEncoder

    save_plain(folder / "plain", texts, "Bert", "ForSequenceClassification", num_labels=1)
    CrossEncoder(str(folder / "plain"), device="cpu").save(str(folder), create_model_card=False)


def many_vectors(folder: Path, texts: Sequence[str]) -> None:
    """One vector a token, as ColBERT."""
    from sentence_transformers import MultiVectorEncoder

    save_plain(folder / "plain", texts, "Bert")
    MultiVectorEncoder(str(folder / "plain"), device="cpu").save(
        str(folder), create_model_card=False
    )


def adapted(folder: Path, texts: Sequence[str]) -> None:
    """A folder of PEFT: adapters, and where the model is that they adapt."""
    from peft import LoraConfig, get_peft_model

    base = folder.parent / f"{folder.name}-base"
    save_plain(base, texts, "Bert")
    model = transformers.AutoModel.from_pretrained(base)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`")  # PEFT asks for it
        adapters = get_peft_model(model, LoraConfig(r=2, target_modules=["query", "value"]))
    with torch.no_grad():
        for name, parameter in adapters.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.05)
    adapters.save_pretrained(folder)
    tokenizer_of(texts).save_pretrained(folder)


def clip_of_old(folder: Path, texts: Sequence[str]) -> None:
    """A CLIP in the module of earlier versions of sentence-transformers."""
    save_dual("CLIP", folder / "clip", tokenizer_of(texts))
    module = st.CLIPModel(str(folder / "clip"))
    SentenceTransformer(modules=[module], device="cpu").save(str(folder), create_model_card=False)


def dual(family: str) -> Builder:
    return lambda folder, texts: save_dual(family, folder, tokenizer_of(texts)) and None


def in_half(dtype: torch.dtype, family: str = "Bert") -> Builder:
    def build(folder: Path, texts: Sequence[str]) -> None:
        text_model(family)(folder, texts)
        SentenceTransformer(str(folder), device="cpu").to(dtype).save(
            str(folder), create_model_card=False
        )

    return build


def prompted(
    prompts: dict[str, str], default: str | None = None, pooling: str = "mean", **options: Any
) -> Builder:
    """A BERT with prompts, saved in its folder."""

    def build(folder: Path, texts: Sequence[str]) -> None:
        save_plain(folder, [*texts, *prompts.values()], "Bert")
        joined(folder, pooling=pooling, **options)
        encoder = SentenceTransformer(
            str(folder), prompts=prompts, default_prompt_name=default, device="cpu"
        )
        encoder.save(str(folder), create_model_card=False)

    return build


def truncated(folder: Path, texts: Sequence[str]) -> None:
    text_model("Bert")(folder, texts)
    encoder = SentenceTransformer(str(folder), truncate_dim=5, device="cpu")
    encoder.save(str(folder), create_model_card=False)


def plain(family: str, model: str = "Model", **options: Any) -> Builder:
    """As transformers saves it, which says nothing of pooling."""
    return lambda folder, texts: save_plain(folder, texts, family, model, **options)


ZOO: dict[str, Builder] = {
    **{f"pooling {mode}": pooled(mode) for mode in st.Pooling.POOLING_MODES},
    "pooling of two kinds": pooled(("mean", "max")),
    "RoBERTa": text_model("Roberta", max_position_embeddings=POSITIONS + 4),
    "MPNet": text_model("MPNet", max_position_embeddings=POSITIONS + 4),
    "DistilBERT": text_model("DistilBert", dim=DIMS, n_heads=2, n_layers=2, hidden_dim=32),
    "ELECTRA": text_model("Electra", embedding_size=DIMS),
    "ALBERT": text_model("Albert", embedding_size=8),
    "DeBERTa": text_model("DebertaV2"),
    "T5": text_model(
        "T5", "EncoderModel", d_model=DIMS, d_kv=8, num_layers=2, num_heads=2, d_ff=32
    ),
    "ModernBERT": text_model("ModernBert", cls_token_id=2, sep_token_id=3),
    "Gemma": text_model("Gemma", num_key_value_heads=1, head_dim=8),
    "Gemma 3": text_model("Gemma3Text", "Model", num_key_value_heads=1, head_dim=8),
    "Qwen 3, padded on the left": left_padded,
    "GPT-2": text_model("GPT2", n_embd=DIMS, n_layer=2, n_head=2, pooling="lasttoken"),
    "GPT-2 without a padding token": no_padding_token,
    "plain BERT": plain("Bert"),
    "plain Qwen 3 for generation": plain("Qwen3", "ForCausalLM", num_key_value_heads=1, head_dim=8),
    "CLIP": dual("CLIP"),
    "CLIP in the earlier module": clip_of_old,
    "SigLIP": dual("Siglip"),
    "Dense": followed_by(lambda: st.Dense(DIMS, 8)),
    "Normalize": followed_by(st.Normalize),
    "LayerNorm": followed_by(lambda: st.LayerNorm(DIMS)),
    "Dropout": followed_by(lambda: st.Dropout(0.3)),
    "WeightedLayerPooling": weighted_layers,
    "StaticEmbedding": static,
    "StaticEmbedding, normalised": static_normalised,
    "WordEmbeddings": words(),
    "WordEmbeddings, frozen": words(update=False),
    "LSTM": words(lambda _: st.LSTM(DIMS, 8)),
    "CNN": words(lambda _: st.CNN(DIMS, 8, [1, 3])),
    "CNN that sees padding": words(lambda _: st.CNN(DIMS, 8, [1, 3]), padding=1.0),
    "WordWeights": words(lambda known: st.WordWeights(known, {known[1]: 3.0})),
    "BoW": word_counts,
    "BoW, projected": projected_counts,
    "Router": routed("document"),
    "Router of queries by default": routed("query"),
    "Router without a default": routed(None),
    "Router by modality": by_modality,
    "Asym": routed(None, st.Asym),
    "Router of other tasks": asymmetric,
    "SparseEncoder": sparse,
    "SparseAutoEncoder": sparse_autoencoder,
    "SparseStaticEmbedding": sparse_static,
    "CrossEncoder": cross,
    "MultiVectorEncoder": many_vectors,
    "PEFT": adapted,
    "float16": in_half(torch.float16),
    "bfloat16": in_half(torch.bfloat16),
    "default prompt": prompted({"search": "search documents : "}, "search"),
    "document prompt": prompted({"query": "a query : ", "passage": "a passage : "}),
    "prompt outside of pooling": prompted(
        {"search": "search documents : "}, "search", include_prompt=False
    ),
    "truncate_dim": truncated,
}
