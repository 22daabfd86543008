"""Which blocks of a base stay, and that what is left is a whole model."""

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from distil_dag.stages.training.layer_pruning import block_influence, blocks, make_shallower, most_influential  # noqa: E402
from distil_dag.stages.training.rows import TrainingRow  # noqa: E402

SIZES = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "tie_word_embeddings": True,
}  # fmt: skip
ROWS = [TrainingRow((1, 2, place), (5, place, 7), "seed") for place in range(8, 40)]
IDS = torch.arange(1, 13).reshape(1, -1)


def llama(depth=6):
    torch.manual_seed(3)
    config = transformers.LlamaConfig(num_hidden_layers=depth, **SIZES)
    return transformers.LlamaForCausalLM(config).eval()


def silence(model, *places):
    """Make blocks pass on what they get."""
    for place in places:
        for layer in (blocks(model)[place].self_attn.o_proj, blocks(model)[place].mlp.down_proj):
            torch.nn.init.zeros_(layer.weight)


def test_blocks_that_do_nothing_go(tmp_path):
    model = llama()
    silence(model, 2, 4)
    before = model(IDS).logits
    depth = make_shallower(model, 4, ROWS, tmp_path / "depth.json")
    assert depth.kept == [0, 1, 3, 5]
    assert [depth.influence[place] for place in (2, 4)] == pytest.approx([0, 0], abs=1e-5)
    assert min(depth.influence[place] for place in depth.kept) > 1e-3
    assert torch.allclose(model(IDS).logits, before, atol=1e-5)


def test_the_influence_is_one_minus_the_cosine_of_in_and_out():
    """Against hidden states as transformers gives them, whose last one has passed the final norm."""
    model = llama(3)
    states = model(torch.tensor([[*ROWS[0].prompt, *ROWS[0].completion]]), output_hidden_states=True)
    pairs = list(zip(states.hidden_states, states.hidden_states[1:], strict=False))[:2]
    expected = [float((1 - torch.cosine_similarity(a, b, dim=-1)).mean().detach()) for a, b in pairs]
    assert block_influence(model, ROWS[:1])[:2] == pytest.approx(expected, abs=1e-5)


def test_what_is_left_is_saved_and_read_as_the_same_model(tmp_path):
    model = llama()
    make_shallower(model, 3, ROWS, tmp_path / "depth.json")
    model.save_pretrained(tmp_path / "model")
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    assert again.config.num_hidden_layers == len(blocks(again)) == 3
    assert torch.equal(again(IDS).logits, model(IDS).logits)
    # Token by token, which finds each block's part of the cache.
    told = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0}
    assert torch.equal(model.generate(IDS, **told), model.generate(IDS, use_cache=False, **told))


def test_lists_of_the_configuration_follow_their_blocks(tmp_path):
    kinds = ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]
    config = transformers.Qwen3Config(
        num_hidden_layers=4, layer_types=kinds, use_sliding_window=True, sliding_window=4, head_dim=8, **SIZES
    )
    torch.manual_seed(3)
    model = transformers.Qwen3ForCausalLM(config).eval()
    silence(model, 1)
    before = model(IDS).logits
    assert make_shallower(model, 3, ROWS, tmp_path / "depth.json").kept == [0, 2, 3]
    assert list(model.config.layer_types) == [kinds[0], kinds[2], kinds[3]]
    assert torch.allclose(model(IDS).logits, before, atol=1e-5)
    model.save_pretrained(tmp_path / "model")
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    assert torch.equal(again(IDS).logits, model(IDS).logits)


def test_the_choice_of_a_killed_training_holds(tmp_path):
    first = make_shallower(llama(), 3, ROWS, tmp_path / "depth.json")
    model = llama()
    silence(model, *range(1, 5))
    assert make_shallower(model, 3, [], tmp_path / "depth.json") == first
    assert len(blocks(model)) == 3


def test_first_and_last_always_stay():
    assert most_influential([0.1, 0.5, 0.3, 0.4, 0.0], 3) == [0, 1, 4]
    assert most_influential([0.1, 0.5, 0.5, 0.5, 0.0], 4) == [0, 1, 2, 4]
    assert most_influential([0.1, 0.5, 0.0], 2) == [0, 2]
    assert most_influential([0.1, 0.5, 0.0], 3) == [0, 1, 2]


def test_more_layers_than_the_base_has_are_refused(tmp_path):
    with pytest.raises(ValueError, match="student.layers is 7, and the base has 6 layers"):
        make_shallower(llama(), 7, ROWS, tmp_path / "depth.json")
    assert make_shallower(llama(), 6, ROWS, tmp_path / "depth.json").kept == list(range(6))


def test_blocks_that_are_built_by_their_place_are_refused(tmp_path):
    config = transformers.Qwen2MoeConfig(
        num_hidden_layers=4, decoder_sparse_step=2, num_experts=2, num_experts_per_tok=1,
        moe_intermediate_size=16, shared_expert_intermediate_size=16, **SIZES,
    )  # fmt: skip
    model = transformers.Qwen2MoeForCausalLM(config).eval()
    with pytest.raises(ValueError, match="qwen2_moe model differ by their place"):
        make_shallower(model, 3, ROWS, tmp_path / "depth.json")
