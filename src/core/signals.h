// Clean stops: SIGINT, SIGTERM, SIGUSR1 and SIGUSR2 ask the trainer to finish its step, save and exit 75 (and liere-data to note how far it came); a second
// SIGINT leaves at once - but for a rank of liere-train --ranks, whose launcher decides that (and which gets one signal twice where a scheduler sends it to
// every process).
#pragma once

#include <array>
#include <csignal>

namespace liere {

constexpr std::array<int, 4> kStopSignals = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

/// Call first in main: SLURM may send its signal before anything else has happened. Lets through what whoever started this process holds back until then
/// (launch/local_ranks.h), so that a signal from before this call is not lost.
void install_stop_signals();
/// True once a signal came. Polled per step and per evaluation batch.
bool stop_requested();
/// Its number; 0 before any signal.
int stop_signal();
/// "SIGINT", ...; "" before any signal.
const char* stop_signal_name();

}  // namespace liere
