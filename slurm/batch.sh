#!/bin/bash
@OPTIONS@
# Written by `elastane submit`; `sbatch batch.sh` in this folder does the same by hand.
set -u
@SETUP@
python=@PYTHON@
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
@STEP@ &
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
"$python" -m elastane.jobs.attempt end . "$generation" "$code" --max-restarts @MAX_RESTARTS@
code=$?
if [ "$code" = 85 ] && [ -n "${SLURM_JOB_ID:-}" ]; then
    # A requeued job waits two minutes unless told otherwise; the requeue ends this script.
    setsid "$python" -m elastane.jobs.attempt nudge "$SLURM_JOB_ID" < /dev/null > /dev/null 2>&1 &
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
