// Which of a run's processes this one is, from the environment that started it. In this order, the first that is there decides:
//   liere-train --ranks N    LIERE_RANK, LIERE_RANKS, LIERE_PORT (launch/local_ranks.h)
//   torchrun and its like    RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT; one without the other is an error, but WORLD_SIZE=1
//                            alone, which some containers export
//   a SLURM step (srun)      SLURM_STEP_NUM_TASKS, SLURM_PROCID, SLURM_LOCALID, SLURM_STEP_NODELIST, SLURM_STEP_TASKS_PER_NODE, SLURM_NODEID; the
//   address is the
//                            first host of the list (MASTER_ADDR, MASTER_PORT go before), the port follows from job and step
// A shell inside of an allocation (sbatch's script, salloc) is in no step and counts as one process.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace liere {

struct Place {
  int64_t rank = 0, size = 1;
  int64_t local_rank = 0, local_size = 1;  // among the processes of this machine
  int64_t local_processors = 0;            // of all processes of this machine together, where SLURM says so; 0: what affinity shows
  std::string host = "127.0.0.1";          // of rank 0, where all meet
  uint16_t port = 0;
  std::string source = "one process";  // what decided, for the log
};

using Environment = std::function<std::optional<std::string>(const std::string& name)>;
/// This process's.
std::optional<std::string> environment_variable(const std::string& name);

/// Throws ConfigError naming the variables: one missing, no number, out of range.
Place find_place(const Environment& environment);

/// "n[01-03,7],gpu5" -> n01, n02, n03, n7, gpu5; "r[0-1]n[1-2]" -> r0n1, r0n2, r1n1, r1n2. Throws ConfigError for what is no list of hosts or has more than 100,000.
std::vector<std::string> expand_hosts(const std::string& list);

/// The GPU of this process: its local rank where that is visible, the only visible one where the launcher shows each process its own. Throws
/// DeviceError when two would share one, unless `share` allows it.
int device_of(const Place& place, int visible, bool share);

}  // namespace liere
