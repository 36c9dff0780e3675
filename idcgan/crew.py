"""Several processes that train one run: `torchrun --nproc-per-node N -m idcgan train ...`, on one machine or on several that share a folder.

Every process makes the same step on its part of the batch: `batch_size` stays the number of films of one step, latents and
augmentation are drawn for all of them, and each process takes its share. Gradients are averaged by DistributedDataParallel; with
`sync_batch_norm` batch norm uses the statistics of the whole batch, and the run is that of one process up to
rounding. The first process leads: it builds, writes, watches the clock; the others follow.
"""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .config import RunConfig
from .errors import InputError


@dataclass(frozen=True)
class Crew:
    """This process's place among `size`."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Is this the process that writes?"""
        return self.rank == 0

    @classmethod
    def join(cls) -> Crew:
        """The crew that torchrun has started, or this process alone."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return ALONE
        if not dist.is_initialized():
            # the others wait while the first one builds the pyramid, which for thousands of large films takes more than the half hour of the default
            dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=timedelta(days=1))
        return cls(dist.get_rank(), size)

    def device(self, name: str) -> str:
        """With several GPUs on a machine each process has its own."""
        alone_on_gpu = self.size == 1 or name not in ("auto", "cuda") or not torch.cuda.is_available()
        return name if alone_on_gpu else f"cuda:{os.environ.get('LOCAL_RANK', '0')}"

    def check(self, config: RunConfig) -> None:
        """Raises InputError where a batch cannot be shared."""
        for size in config.batch_size:
            share = size // self.size
            if size % self.size:
                raise InputError(f"batch_size is {size} for {self.size} processes; give a number that they can share evenly.")
            if config.micro_batch and share % min(share, config.micro_batch):
                raise InputError(f"micro_batch is {config.micro_batch} and each of {self.size} processes has {share} films; give a divisor.")
            if share < 2 and self.size > 1 and not config.sync_batch_norm:
                raise InputError(f"batch_size is {size} for {self.size} processes; without sync_batch_norm each needs 2 films or more.")

    def mine(self, batch: Tensor) -> Tensor:
        """This process's part of what was drawn for all films of a step, (b, ...) -> (b / size, ...)."""
        return batch.chunk(self.size)[self.rank]

    def tell(self, said: object = None) -> object:
        """What the leader says (a number, a text), in every process; the others wait for it."""
        if self.size == 1:
            return said
        box = [said]
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]

    def wrap(self, network: nn.Module, config: RunConfig) -> nn.Module:
        """`network` so that its gradients are averaged over the crew after each backward; itself where there is no crew."""
        if self.size == 1:
            return network
        if config.sync_batch_norm:
            for norm in [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]:
                norm.__class__ = SyncBatchNorm2d  # the same weights and statistics, so that a checkpoint does not know
        devices = [next(network.parameters()).device.index] if next(network.parameters()).device.type == "cuda" else None
        # buffers are not sent round: a broadcast between two forward passes would change what backward needs
        return DistributedDataParallel(network, device_ids=devices, broadcast_buffers=False)

    def mean(self, value: Tensor) -> Tensor:
        """The mean over the crew of a detached scalar."""
        if self.size > 1:
            value = value.clone()
            dist.all_reduce(value)
            value /= self.size
        return value

    def leave(self) -> None:
        """The end; processes wait for each other. Networks that were wrapped must have been let go of."""
        if self.size > 1 and dist.is_initialized():
            dist.barrier()
            # DDP's wrappers are in cycles and hold the group: with them its threads would outlive the interpreter, and abort the process now and then
            gc.collect()
            dist.destroy_process_group()


ALONE = Crew()


def quiet(network: nn.Module, now: bool = True) -> contextlib.AbstractContextManager:
    """Gradients add up in each process and are not averaged yet."""
    return network.no_sync() if now and isinstance(network, DistributedDataParallel) else contextlib.nullcontext()


class SyncBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the films of all processes, inside `together()`; elsewhere, plain batch norm.

    torch.nn.SyncBatchNorm is for GPUs only; this one is for both.
    """

    active = False

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w), normalised by the mean and variance of the whole batch."""
        if not (self.training and SyncBatchNorm2d.active):
            return super().forward(x)
        count = x.numel() // x.shape[1] * dist.get_world_size()
        mean = _Sum.apply(x.float().sum((0, 2, 3))) / count
        centred = x - mean[:, None, None].to(x.dtype)
        variance = _Sum.apply(centred.float().square().sum((0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, weight)
            self.running_var.lerp_(variance * (count / (count - 1)), weight)
        scale = self.weight * (variance + self.eps).rsqrt()
        return centred * scale[:, None, None].to(x.dtype) + self.bias[:, None, None].to(x.dtype)


@contextlib.contextmanager
def together() -> Iterator[None]:
    """While the crew makes a step; what the leader draws alone in between must not wait for the others."""
    SyncBatchNorm2d.active = dist.is_initialized()
    try:
        yield
    finally:
        SyncBatchNorm2d.active = False


class _Sum(torch.autograd.Function):
    """The sum over the crew, and its gradient: the sum of the crew's gradients."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return _Sum.apply(gradient)
