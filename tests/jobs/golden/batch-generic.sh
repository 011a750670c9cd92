#!/bin/bash
#SBATCH --job-name=beam
#SBATCH --comment=elastane-beam-0123456789abcdef
#SBATCH --nodes=2 --ntasks-per-node=4
#SBATCH --signal=B:USR1@120
#SBATCH --requeue --open-mode=append --output=log.txt
#SBATCH --time=1-01:01:01
# Written by `elastane submit`; `sbatch batch.sh` in this folder does the same by hand.
set -u
export OMP_NUM_THREADS=1
export OPENBLAS_NUM_THREADS=1
python=/opt/elastane/bin/python
step=
# TERM reaches the ranks without this script.  USR1, some time before the limit, comes here only.
trap : TERM
trap '[ -z "$step" ] || kill -USR1 "$step"' USR1

generation=$("$python" -m elastane.jobs.attempt begin . --pid $$)
code=$?
case $code in
0) ;;
75) exit 0 ;; # nothing to do: another copy runs, or the run has converged; log.txt says which
*) exit "$code" ;;
esac
export ELASTANE_GENERATION="$generation"
srun --kill-on-bad-exit=1 --mpi=pmix --cpu-bind=cores "$python" -m mpi4py -m elastane.jobs.worker . &
step=$!
"$python" -m elastane.jobs.attempt beat . "$generation" "$step" &
beat=$!

wait "$step"
code=$?
# A signal ends `wait` early, with a code above 128; so does one that comes while the step ends.
while kill -0 "$step" 2> /dev/null; do
    wait "$step"
    code=$?
done
if [ "$code" -gt 128 ]; then
    wait "$step"
    code=$?
fi
step=

kill "$beat" 2> /dev/null
wait "$beat"
"$python" -m elastane.jobs.attempt end . "$generation" "$code" --max-restarts 20
code=$?
if [ "$code" = 85 ] && [ -n "${SLURM_JOB_ID:-}" ]; then
    # A requeued job waits two minutes unless told otherwise; the requeue ends this script.
    setsid "$python" -m elastane.jobs.attempt nudge "$SLURM_JOB_ID" < /dev/null > /dev/null 2>&1 &
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
