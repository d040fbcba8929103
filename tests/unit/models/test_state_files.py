from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch

from models.state_files import WeightsError, read_checkpoint, read_metadata, read_safetensors, read_state

STATE = {"layer.weight": torch.arange(6.0).reshape(2, 3)}


def saved(content: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


class TestReadState:
    @pytest.mark.parametrize(
        "content",
        [
            safetensors.torch.save(STATE),
            saved(STATE),
            saved({"state_dict": STATE, "epoch": 3}),
            saved({"module.layer.weight": STATE["layer.weight"]}),
        ],
    )
    def test_takes_the_usual_wrappings_off(self, content: bytes) -> None:
        """However a training script saved them, the names are the network's."""
        found = read_state(content)

        assert ["layer.weight"] == list(found)
        assert torch.equal(STATE["layer.weight"], found["layer.weight"])

    @pytest.mark.parametrize("content", [saved({"epoch": 3}), saved([1, 2])])
    def test_refuses_other_dictionaries(self, content: bytes) -> None:
        """A checkpoint without plain tensors is none of ours."""
        with pytest.raises(WeightsError):
            read_state(content)


class TestReadCheckpoint:
    @pytest.mark.parametrize("content", [b"", b"x", b"GIF89a", b"\x00" * 100, b"\x80\x02" + b"." * 40])
    def test_refuses_what_is_no_file_of_weights(self, content: bytes) -> None:
        """However short or strange an upload is, it is an error of the upload."""
        with pytest.raises(WeightsError):
            read_checkpoint(content)

    def test_runs_no_code(self) -> None:
        """An object that only code could restore is refused."""
        with pytest.raises(WeightsError, match="plain tensors"):
            read_checkpoint(saved({"path": Path()}))

    def test_refuses_what_unpacks_to_more(self) -> None:
        """Torch packs nothing: a checkpoint that is packed is small, and asks for any amount of memory."""
        plain, packed = saved({"weight": torch.zeros(100_000)}), io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(plain)) as source, zipfile.ZipFile(packed, "w", 8) as archive:
            for member in source.infolist():
                archive.writestr(member.filename, source.read(member))

        assert {"weight"} == set(read_checkpoint(plain))
        with pytest.raises(WeightsError, match="compressed"):
            read_checkpoint(packed.getvalue())

    def test_refuses_one_number_repeated_without_end(self) -> None:
        """A tensor may claim any shape with a stride of zero; what is done with it would take the memory."""
        repeated = torch.zeros(1).expand(10**9)

        for content in ({"weight": repeated}, {"model": {"inner": [repeated]}}):
            with pytest.raises(WeightsError, match="more numbers than it holds"):
                read_checkpoint(saved(content))

    def test_keeps_nested_dictionaries(self) -> None:
        """Checkpoints of BBDM hold several."""
        assert {"model", "ema", "step"} == set(
            read_checkpoint(saved({"model": STATE, "ema": STATE, "step": 4}))
        )


class TestReadSafetensors:
    def test_takes_nothing_else(self) -> None:
        """A checkpoint of the same tensors is refused."""
        found = read_safetensors(safetensors.torch.save(STATE))

        assert torch.equal(STATE["layer.weight"], found["layer.weight"])
        with pytest.raises(WeightsError, match="no safetensors"):
            read_safetensors(saved(STATE))


class TestReadMetadata:
    def test_reads_what_safetensors_carry(self) -> None:
        """Texts beside the tensors."""
        assert {"groups": "8"} == read_metadata(safetensors.torch.save(STATE, metadata={"groups": "8"}))

    @pytest.mark.parametrize("content", [b"", b"GIF89a", saved(STATE), safetensors.torch.save(STATE)])
    def test_finds_none_elsewhere(self, content: bytes) -> None:
        """Other files simply have none."""
        assert {} == read_metadata(content)
