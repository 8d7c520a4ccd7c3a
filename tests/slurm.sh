#!/usr/bin/env bash
# examples/slurm on a real Slurm of this machine alone: eight shards of a sweep as a job array, one task requeued by its
# administrator while it runs, one requeuing itself when its time runs out, the merge waiting for them all. The merged
# columns must be byte for byte those of the sweep in one piece.
#
# Needs root (or sudo) on Debian or Ubuntu, where it installs Slurm if there is none. The daemons listen on 127.0.0.1
# only and end with this script.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
examples=$PWD/examples/slurm

say() { echo "slurm.sh: $*" >&2; }
die() { say "$*"; exit 1; }

if [ "$(id -u)" -ne 0 ]; then exec sudo --preserve-env=PATH,CARGO_HOME,RUSTUP_HOME,HOME bash "$0" "$@"; fi
for program in slurmctld slurmd munged sbatch; do
    if ! command -v "$program" >/dev/null; then
        command -v apt-get >/dev/null || die "please install Slurm and munge: there is no $program and no apt-get"
        say "installing Slurm"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge >&2
        break
    fi
done
cargo build --release
PATH=$PWD/target/release:$PATH

# The path of a socket may have about a hundred characters only.
work=$(mktemp -d /tmp/sharpsweep-slurm.XXXXXX)
host=$(hostname -s)
case "$(getent ahostsv4 "$host" | head -n 1)" in
127.*) ;;
*) die "the name $host must stand for a 127.x address here: add '127.0.1.1 $host' to /etc/hosts" ;;
esac

# Ends the daemons whose process files lie under $work, jobs first.
finish() {
    code=$?
    scancel --partition=test 2>/dev/null || true
    for file in "$work"/slurmd-*.pid "$work/slurmctld.pid" "$work/munged.pid"; do
        [ -s "$file" ] || continue
        pid=$(cat "$file")
        kill "$pid" 2>/dev/null || continue
        for _ in $(seq 30); do
            # A daemon that has ended may stay as a zombie where nobody waits for it.
            [ -e "/proc/$pid/exe" ] && readlink "/proc/$pid/exe" >/dev/null || break
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null || true
    done
    if [ $code -eq 0 ]; then rm -rf "$work"; else say "failed; the logs are in $work"; fi
}
trap finish EXIT

export SLURM_CONF=$work/slurm.conf
chmod 755 "$work"
mkdir "$work/state" "$work/spool"
port=$((20000 + RANDOM % 10000))
cat >"$SLURM_CONF" <<CONF
ClusterName=sharpsweep
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A requeued job waits until its first credential has run out.
AuthInfo=socket=$work/munge.sock,cred_expire=5
CredType=cred/munge
# Without these the daemons would listen on every address.
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
MpiDefault=none
SwitchType=switch/none
MailProg=/bin/true
KillWait=5
MinJobAge=3600
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool/%n
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd-%n.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd-%n.log
NodeName=node[1-2] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + 2))] CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=600 State=UP
CONF

(umask 077 && head -c 1024 /dev/urandom >"$work/munge.key")
munged --force --key-file="$work/munge.key" --socket="$work/munge.sock" --pid-file="$work/munged.pid" \
    --log-file="$work/munged.log" --seed-file="$work/munge.seed"
slurmctld -c
slurmd -N node1
slurmd -N node2
for _ in $(seq 100); do
    [ "$(sinfo -h -N -o %t 2>/dev/null | grep -cx idle)" = 2 ] && break
    sleep 0.1
done
[ "$(sinfo -h -N -o %t | grep -cx idle)" = 2 ] || die "Slurm's nodes do not become idle"
say "Slurm $(sinfo --version | cut -d' ' -f2) is up"

# A shard takes some seconds on one core, so that it can be interrupted.
options=(--backend cpu --seeds 60000 --max-steps 1500 --samples 800 --memory 1)
export RAYON_NUM_THREADS=1
cd "$work"
here=(--gres=none --cpus-per-task=1 --chdir="$work")
array=$(sbatch --parsable "${here[@]}" "$examples/sweep.sbatch" run "${options[@]}")
merge=$(sbatch --parsable --chdir="$work" --dependency="afterok:$array" "$examples/merge.sbatch" run)

# Waits until task $1 runs and some of its rows, but not all, are finished.
await_rows() {
    # On a slow machine the shards before it take minutes.
    for _ in $(seq 6000); do
        journal=$work/run/shard-$1/journal
        [ -e "$journal" ] && [ "$(wc -l <"$journal")" -gt 1 ] && return
        [ -e "$work/run/shard-$1/manifest.json" ] && [ ! -e "$journal" ] && die "shard $1 was too quick to be interrupted"
        sleep 0.05
    done
    die "shard $1 does not start"
}
await_rows 2
scontrol requeue "${array}_2"
say "requeued task 2"
await_rows 6
# What --signal=B:TERM sends when the time runs out.
scancel --batch --signal=TERM "${array}_6"
say "told task 6 that its time runs out"

for _ in $(seq 9000); do
    state=$(scontrol show job "$merge" | sed -n 's/.*JobState=\([A-Z_]*\).*/\1/p')
    case "$state" in
    COMPLETED) break ;;
    FAILED | CANCELLED | TIMEOUT | NODE_FAIL) die "the merge is $state: $(cat "$work"/*.log | tail -n 20)" ;;
    esac
    scontrol show job "$merge" | grep -q DependencyNeverSatisfied && die "a task failed: $(tail -n 5 "$work"/sharpsweep-*.log)"
    sleep 0.1
done
[ "$state" = COMPLETED ] || die "the merge is still $state"
for task in 2 6; do
    scontrol show job "${array}_$task" | grep -q 'Restarts=[1-9]' || die "task $task was not requeued"
done

say "the sweep in one piece, to compare with"
RAYON_NUM_THREADS=2 sharpsweep sweep "${options[@]}" --out whole >/dev/null
columns=0
for column in whole/*.npy; do
    cmp "$column" "run/${column}" || die "$column differs"
    columns=$((columns + 1))
done
[ "$columns" -ge 15 ] || die "only $columns columns were compared"
say "eight shards, two of them requeued, merged: all $columns columns are the same bytes"
