"""A private SLURM of two emulated nodes with fake GPUs, for the user who runs the tests.

All daemons are children of this process, listen on the loopback device only, take free ports and
keep everything in one folder; they end with the process that started them.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

NODES = ("n1", "n2")
CPUS, MEMORY, GPUS = 2, 4000, 2
DAEMONS = ("munged", "slurmctld", "slurmd")
TOOLS = ("sbatch", "squeue", "scontrol", "sinfo", "scancel", "srun", "sacct")

#: jobacct_gather/linux would make slurmstepd of SLURM 22.05 crash in a container, hence none.
CONFIGURATION = """\
ClusterName=private
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={root}/munge.sock
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool.%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
MpiDefault=pmix
ReturnToService=2
SlurmdParameters=config_overrides
SlurmdTimeout=12
MessageTimeout=5
KillWait=5
JobRequeue=1
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
GresTypes=gpu
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
PartitionName=short Nodes=n1 Default=NO MaxTime=5 State=UP OverSubscribe=NO
"""


def missing_daemons() -> list[str]:
    """Return what of SLURM and MUNGE is not installed."""
    return [name for name in (*DAEMONS, *TOOLS) if _find(name) is None]


def _find(name: str) -> str | None:
    """Return the path of a program, those for administrators included."""
    return shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")


def wait_until(is_done: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: If it takes too long.
    """
    deadline = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.1)


class Cluster:
    """The daemons, started; `stop` ends them.

    Attributes:
        root: Folder of its configuration, state and logs.
        environment: What a process needs in order to talk to it.
        controller: Process id of slurmctld.
        nodes: Process id of slurmd by node.
    """

    def __init__(self) -> None:
        # A short path: that of a socket has at most 107 characters.
        self.root = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        self.root.chmod(0o755)
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("SLURM")
        }
        self.environment["SLURM_CONF"] = str(self.root / "etc" / "slurm.conf")
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.nodes: dict[str, int] = {}
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        ports = _free_ports(1 + len(NODES))
        self._configure(ports)
        self._munge()
        self._launch("slurmctld", "-D", configuration="etc")
        self.controller = self._daemons[-1].pid
        for node in NODES:
            self.start_node(node)
        try:
            wait_until(self.is_idle, 30.0, "the nodes to become idle")
        except TimeoutError as error:
            logs = [path.read_text()[-2000:] for path in self.root.glob("*.log")]
            raise RuntimeError("\n".join([str(error), *logs])) from error

    def _configure(self, ports: Sequence[int]) -> None:
        host = socket.gethostname().split(".")[0]
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={CPUS} "
            f"RealMemory={MEMORY} Gres=gpu:{GPUS} State=UNKNOWN"
            for node, port in zip(NODES, ports[1:], strict=True)
        )
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout
        text = CONFIGURATION.format(
            host=host, port=ports[0], user=user.strip(), root=self.root, nodes=nodes,
        )  # fmt: skip
        (self.root / "state").mkdir()
        for number in range(GPUS):
            # SLURM tells jobs of none that is no device.
            (self.root / f"gpu{number}").symlink_to("/dev/null")
        for folder in ("etc", *(f"etc.{node}" for node in NODES)):
            (self.root / folder).mkdir()
            (self.root / folder / "slurm.conf").write_text(text)
            (self.root / folder / "gres.conf").write_text(
                f"NodeName=n[1-{len(NODES)}] Name=gpu File={self.root}/gpu[0-{GPUS - 1}] "
                "Flags=nvidia_gpu_env\n"
            )
        for node in NODES:  # two nodes on one host must not share PMIx's sockets
            (self.root / f"pmix.{node}").mkdir()
            (self.root / f"etc.{node}" / "mpi.conf").write_text(
                f"PMIxCliTmpDirBase={self.root}/pmix.{node}\n"
            )

    def _munge(self) -> None:
        folder = self.root / "munge"
        folder.mkdir(mode=0o700)
        key = folder / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self._launch(
            "munged", "--foreground", "--force", f"--socket={self.root}/munge.sock",
            f"--key-file={key}", f"--pid-file={folder}/pid", f"--log-file={self.root}/munged.log",
            f"--seed-file={folder}/seed", "--num-threads=2",
            configuration="etc",
        )  # fmt: skip
        wait_until((self.root / "munge.sock").exists, 10.0, "munged's socket")

    def _launch(self, program: str, *arguments: str, configuration: str) -> None:
        """Start a daemon in the foreground that dies with this process."""
        path = _find(program)
        assert path is not None
        output = (self.root / f"{program}.out").open("ab")
        environment = {
            **self.environment,
            "SLURM_CONF": str(self.root / configuration / "slurm.conf"),
        }
        with output:
            self._daemons.append(
                subprocess.Popen(
                    ["setpriv", "--pdeathsig", "TERM", path, *arguments],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            )

    def start_node(self, node: str) -> None:
        """Start the slurmd of a node."""
        self._launch("slurmd", "-D", "-N", node, configuration=f"etc.{node}")
        self.nodes[node] = self._daemons[-1].pid

    def kill_node(self, node: str) -> None:
        """Let a node die: its slurmd and all that it has started."""
        own = str(self.root / f"etc.{node}")
        os.kill(self.nodes[node], signal.SIGKILL)
        for pid in self._processes(own):
            _kill(pid)

    def tool(self, *command: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a tool of SLURM."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=seconds,
            check=False,
        )  # fmt: skip

    def cancel_all(self) -> None:
        """Take all jobs from the queue, and wait until the nodes are free again."""
        ids = self.tool("squeue", "-h", "-o", "%A").stdout.split()
        if ids:
            self.tool("scancel", *ids)
        wait_until(lambda: not self.tool("squeue", "-h").stdout, 30.0, "the queue to be empty")

    def state(self, job_id: str) -> tuple[str, str]:
        """Return the state of a job and the reason for it, empty where it is unknown."""
        answer = self.tool("squeue", "-h", "-t", "all", "-j", job_id, "-o", "%T|%r").stdout.strip()
        state, _, reason = answer.partition("|")
        return state, reason

    def is_idle(self) -> bool:
        """Return whether all nodes are there and free."""
        answer = self.tool("sinfo", "-h", "-N", "-p", "main", "-o", "%t").stdout.split()
        return answer == ["idle"] * len(NODES)

    def _processes(self, text: str) -> Iterator[int]:
        """Yield the processes, besides the daemons, that have a text in their environment."""
        own = {os.getpid(), *(daemon.pid for daemon in self._daemons)}
        for path in Path("/proc").glob("[0-9]*/environ"):
            pid = int(path.parent.name)
            try:
                if pid not in own and text.encode() in path.read_bytes():
                    yield pid
            except OSError:  # it has ended
                continue

    def stop(self) -> None:
        """End all daemons and all that jobs have left behind; remove the folder."""
        for daemon in reversed(self._daemons):
            for number in (signal.SIGCONT, signal.SIGTERM):
                if daemon.poll() is None:
                    daemon.send_signal(number)
        for daemon in self._daemons:
            try:
                daemon.wait(10.0)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for pid in list(self._processes(str(self.root))):
            _kill(pid)
        shutil.rmtree(self.root, ignore_errors=True)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _free_ports(count: int) -> list[int]:
    """Return ports of the loopback device that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for entry in sockets:
        entry.bind(("127.0.0.1", 0))
    ports = [int(entry.getsockname()[1]) for entry in sockets]
    for entry in sockets:
        entry.close()
    return ports
