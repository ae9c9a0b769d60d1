// Starts the ranks of a run on this machine (liere-train --ranks N) and watches them: signals are passed on, when one fails the others are ended, the
// first cause is said once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace liere {

struct LocalRanksOptions {
  std::string program = "/proc/self/exe";
  double grace_seconds = 10;  // from the first failure, or the second SIGINT, until what is left is killed
};

/// Runs `count` processes of `program` with `arguments` (argv, its first the name) and LIERE_RANK, LIERE_RANKS, LIERE_PORT set. Rank 0 has this
/// process's input and outputs; of the others what they write to stderr is shown with "[rank 2] " before each line. SIGINT, SIGTERM, SIGUSR1 and
/// SIGUSR2 reach all of them; killed with this process if it is killed. Returns the exit code: 0, 75 when they stopped early, else the first failing
/// rank's (128 + signal where one ended it).
int run_local_ranks(int64_t count, const std::vector<std::string>& arguments, const LocalRanksOptions& options = {});

/// argv without some options and their values ("--ranks 2", "--ranks=2").
std::vector<std::string> arguments_without(int argc, char** argv, const std::vector<std::string>& options);

}  // namespace liere
