"""Run a module under limits: the other half of `apart`.

    python -m elastane.materials.compiler.limiter SECONDS MEMORY FILE_SIZE MODULE ARGUMENTS...

They hold for each process that the module starts; only root could raise them again.
"""

import resource
import runpy
import sys

#: Processor time per second allowed: a compiler whose parent has died must end, too.
PROCESSOR_FACTOR = 4


def _main() -> None:
    """Set the limits and run the module."""
    seconds, memory, file_size, module, *arguments = sys.argv[1:]
    bounds = {
        resource.RLIMIT_CPU: int(PROCESSOR_FACTOR * float(seconds)) + 1,
        # Not RLIMIT_AS: JAX reserves addresses by the gigabyte, more on machines with many cores.
        resource.RLIMIT_DATA: int(memory),
        resource.RLIMIT_FSIZE: int(file_size),
        resource.RLIMIT_CORE: 0,
    }
    for limit, wanted in bounds.items():
        # Never above what the machine's own limits leave.
        hard = resource.getrlimit(limit)[1]
        bound = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(limit, (bound, bound))
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
