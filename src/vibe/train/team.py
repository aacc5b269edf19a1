"""Several processes training one network: torchrun starts them, each takes its part of every batch."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

Record = TypeVar("Record")


@dataclass(frozen=True)
class Team:
    """This process among those that train together."""

    rank: int = 0
    size: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process validates, logs and saves."""
        return self.rank == 0


def join_team() -> Team:
    """The team that torchrun made, or one of a single process."""
    if "RANK" not in os.environ:
        return Team()
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return Team(distributed.get_rank(), distributed.get_world_size())


def leave_team() -> None:
    """Wait until everybody is done, then part; a process that just ends takes the others' messages with it."""
    if distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()


def share(batch: Record, team: Team) -> Record:
    """This process' part of a batch: every tensor of the record, cut along its first axis.

    All processes make the same batch, so that the team's mean is that of the whole. Raises ValueError if the batch
    can't be shared evenly.
    """
    if team.size == 1:
        return batch
    changes = {}
    for field in fields(batch):  # pyright: ignore[reportArgumentType]
        value = getattr(batch, field.name)
        if not isinstance(value, Tensor):
            changes[field.name] = share(value, team)
        elif len(value) % team.size:
            raise ValueError(f"{len(value)} windows can't be shared by {team.size} processes: change the batch")
        else:
            changes[field.name] = value.tensor_split(team.size)[team.rank]
    return replace(batch, **changes)  # pyright: ignore[reportArgumentType]


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
