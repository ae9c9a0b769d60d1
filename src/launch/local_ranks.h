// Starts the ranks of a run on this machine (liere-train --ranks N) and watches them: signals are passed on, when one fails the others are ended, the
// first cause is said once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace liere {

/// What a rank says that ends because of another (train/pulse.h): it is not the cause.
constexpr std::string_view kLostPeer = "could not go on with the others";

struct LocalRanksOptions {
  std::string program = "/proc/self/exe";
  double grace_seconds = 10;   // from the first failure until what is left is killed
  bool holds_signals = true;   // the program lets the stop signals through when it can take them (install_stop_signals); until then they wait
};

/// Runs `count` processes of `program` with `arguments` (argv, its first the name) and LIERE_RANK, LIERE_RANKS, LIERE_PORT set. Rank 0 has this
/// process's input and outputs; of the others what they write to stderr is shown with "[rank 2] " before each line. SIGINT, SIGTERM, SIGUSR1 and
/// SIGUSR2 reach all of them, also one that came before this call (stop_signal()) or comes before a rank has its handlers; killed with this process if it is
/// killed. Returns the exit code: 0, 75 when they stopped early, 130 when a second SIGINT ended them at once, else the first failing rank's (128 + signal
/// where one ended it), whose cause is said once with rank and host.
int run_local_ranks(int64_t count, const std::vector<std::string>& arguments, const LocalRanksOptions& options = {});

/// argv without some options and their values ("--ranks 2", "--ranks=2").
std::vector<std::string> arguments_without(int argc, char** argv, const std::vector<std::string>& options);

}  // namespace liere
