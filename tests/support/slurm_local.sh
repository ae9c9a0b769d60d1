# Sourced by tests: a real SLURM of several nodes on this one machine, without systemd, control groups or accounting, reachable on the loopback device only.
#   slurm_up FOLDER NODES   starts munged, slurmctld and NODES x slurmd with all they write below FOLDER, and points SLURM_CONF to it
#   slurm_down FOLDER       cancels what is left and ends exactly the daemons that slurm_up started
# Partitions: 'main', and 'urgent' on the same nodes, whose jobs preempt main's: SIGTERM, ten seconds, then requeued. RequeueExit is not set: a job that is
# to start again must ask for it. As root: slurmd refuses to be anybody else.
# shellcheck shell=bash
slurm_missing() { # prints why there can be no SLURM here, or nothing
  local program
  [ "$(id -u)" = 0 ] || { echo 'starting SLURM daemons needs root' && return; }
  for program in munged slurmctld slurmd; do
    [ -x "/usr/sbin/$program" ] || { echo "$program is not installed (apt-get install slurm-wlm munge)" && return; }
  done
}

write_slurm_conf() { # write_slurm_conf FOLDER NODES
  local folder=$1 count=$2 host cores memory port node
  host=$(hostname)
  cores=$(nproc)
  memory=$(awk '/^MemTotal/ { printf "%d", $2 / 1024 * 0.9 }' /proc/meminfo)
  port=$((21000 + RANDOM % 8000)) # below the range of outgoing connections
  cat <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool.%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,preempt_youngest_first
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
ReturnToService=2
KillWait=10
MessageTimeout=10
SlurmctldTimeout=30
SlurmdTimeout=10
MinJobAge=600
END
  for node in $(seq "$count"); do
    echo "NodeName=n$node NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1 + node)) CPUs=$cores SocketsPerBoard=1 CoresPerSocket=$cores ThreadsPerCore=1 RealMemory=$((memory / count))"
  done
  echo "PartitionName=main Nodes=n[1-$count] Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=10"
  echo "PartitionName=urgent Nodes=n[1-$count] MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF"
}

slurm_up() {
  local folder count=$2 node
  folder=$(realpath -m "$1") # the daemons change their folder
  mkdir -p "$folder/state"
  install -d -m 755 "$folder/munge"
  install -d -m 700 "$folder/munge.private"
  (umask 077 && head -c 64 /dev/urandom >"$folder/munge.private/key")
  write_slurm_conf "$folder" "$count" >"$folder/slurm.conf"
  export SLURM_CONF=$folder/slurm.conf
  /usr/sbin/munged --force --num-threads=2 --key-file="$folder/munge.private/key" --seed-file="$folder/munge.private/seed" \
    --log-file="$folder/munge.private/log" --socket="$folder/munge/socket" --pid-file="$folder/munged.pid" 2>"$folder/munged.out" || return 1
  /usr/sbin/slurmctld -i -f "$SLURM_CONF" || return 1
  for node in $(seq "$count"); do
    mkdir -p "$folder/spool.n$node"
    /usr/sbin/slurmd -f "$SLURM_CONF" -N "n$node" || return 1
  done
  for _ in $(seq 60); do
    [ "$(sinfo -h -N -p main -o %T 2>/dev/null | grep -c '^idle')" != "$count" ] || return 0
    sleep 0.5
  done
  tail -n 5 "$folder"/*.log
  return 1
}

slurm_down() {
  local folder file pid
  folder=$(realpath -m "$1")
  # The processes of a job outlive slurmd: they go first.
  if [ -s "$folder/slurmctld.pid" ]; then
    timeout 5 scancel --quiet --user="$(id -un)" 2>/dev/null || true
    for _ in $(seq 40); do
      [ -n "$(timeout 5 squeue -h -t running,completing,suspended 2>/dev/null)" ] || break
      sleep 0.5
    done
  fi
  for file in "$folder"/slurmd.n*.pid "$folder/slurmctld.pid" "$folder/munged.pid"; do
    [ -s "$file" ] || continue
    pid=$(<"$file")
    kill "$pid" 2>/dev/null || true # one may be gone
    for _ in $(seq 40); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.25
    done
    if kill -KILL "$pid" 2>/dev/null; then echo "$file: ended by SIGKILL"; fi
  done
}
