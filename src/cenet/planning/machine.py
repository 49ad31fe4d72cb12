"""The machine that trains, and how long a training step takes on such a machine."""

from dataclasses import dataclass

from cenet.safe_text import format_count, format_digits

STEP_PX = 4 * 448 * 448
"""Pixels of the batch that `STEP_SECONDS` are of."""

STEP_SECONDS = {
    ("cenet", "32-true"): 6.5,
    ("cenet", "bf16-mixed"): 2.4,
    ("cenet-lite", "32-true"): 2.6,
    ("cenet-lite", "bf16-mixed"): 1.6,
}
"""Of a batch of STEP_PX on one core of a CPU, in bfloat16 of one with AMX; measured by `benchmarks/lite.py`."""

GPU_SECONDS = {"cenet": 0.15, "cenet-lite": 0.08}
CORES_EXPONENT = 0.8  # two cores train 1.7 times as fast as one


@dataclass(frozen=True)
class Machine:
    """What is known of the machine before anything is timed on it.

    Args:
        device: `cpu`, `cuda` or `mps`.
        precision: In which it computes; bfloat16 on a CPU means that it is faster there.
        cores: Threads that compute.
        memory_gib: Of the GPU, or of the machine where it has none.
    """

    device: str = "cpu"
    precision: str = "32-true"
    cores: int = 2
    memory_gib: float = 8.0

    @property
    def has_bfloat16(self) -> bool:
        """Whether it is a CPU that computes fast in bfloat16."""
        return self.device == "cpu" and self.precision == "bf16-mixed"

    def step_seconds(self, network: str) -> float:
        """Return about how long a batch of STEP_PX takes in training.

        Args:
            network: Its name; of one that was never measured, CE-Net's time.

        >>> Machine(cores=1).step_seconds("cenet-lite"), Machine("cuda", "bf16-mixed").step_seconds("cenet")
        (2.6, 0.15)
        """
        name = network if network in GPU_SECONDS else "cenet"
        if self.device != "cpu":
            return GPU_SECONDS[name]
        return float(STEP_SECONDS[name, self.precision] / self.cores**CORES_EXPONENT)

    def describe(self) -> str:
        """Return the machine in words.

        >>> Machine(precision="bf16-mixed", cores=1).describe()
        'a CPU that computes in bfloat16, 1 core, 8 GiB of memory'
        """
        kind = f"a GPU ({self.device})"
        if self.device == "cpu":
            kind = f"a CPU that computes in {'bfloat16' if self.has_bfloat16 else 'float32'}"
        return f"{kind}, {format_count(self.cores, 'core')}, {format_digits(self.memory_gib, 3)} GiB of memory"
