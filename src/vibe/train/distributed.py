"""Several processes training one network: torchrun starts them, each takes its part of every batch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

from vibe.arrays import converted

Record = TypeVar("Record")


@dataclass(frozen=True)
class ProcessGroup:
    """This process among those that train together."""

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")
    """Where this process computes."""

    @property
    def writes(self) -> bool:
        """Whether this process validates, logs and saves."""
        return self.rank == 0


def join_process_group(device: str = "cpu") -> ProcessGroup:
    """The processes that torchrun started, or a single one; on `cuda` each process of a host has its own card."""
    if "RANK" not in os.environ:
        return ProcessGroup(device=torch.device(device))
    own = torch.device(f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" else device)
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if own.type == "cuda" else "gloo")
    return ProcessGroup(distributed.get_rank(), distributed.get_world_size(), own)


def leave_process_group() -> None:
    """Wait until everybody is done, then part; a process that just ends takes the others' messages with it."""
    if distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()


def broadcast(number: float, group: ProcessGroup) -> float:
    """The first process' number, in all of them."""
    if group.size == 1:
        return number
    message = torch.tensor(number, dtype=torch.float64, device=group.device)
    distributed.broadcast(message, 0)
    return float(message)


def all_reduce_mean(numbers: Mapping[str, float], group: ProcessGroup) -> dict[str, float]:
    """Each number's mean over the processes, in all of them."""
    if group.size == 1:
        return dict(numbers)
    message = torch.tensor(list(numbers.values()), dtype=torch.float64, device=group.device)
    distributed.all_reduce(message)
    return dict(zip(numbers, (message / group.size).tolist(), strict=True))


def shard_batch(batch: Record, group: ProcessGroup) -> Record:
    """This process' part of a batch, where it computes: every tensor of the record, cut along its first axis.

    All processes make the same batch, so that the group's mean is that of the whole. Raises ValueError if the batch
    can't be shared evenly.
    """

    def own(tensor: Tensor) -> Tensor:
        if len(tensor) % group.size:
            raise ValueError(f"{len(tensor)} windows can't be shared by {group.size} processes: change the batch")
        return tensor.tensor_split(group.size)[group.rank].to(group.device)

    return converted(batch, own)


def average_gradients(network: nn.Module) -> None:
    """The mean of every process' gradients, in one message."""
    if not distributed.is_initialized():
        return
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for gradient, part in zip(gradients, flat.split([len(g.flatten()) for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
