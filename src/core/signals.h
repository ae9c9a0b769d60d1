// Clean stops: SIGINT, SIGTERM and SIGUSR1 ask the trainer to finish its step, save and exit 75 (and liere-data to note how far it came); a second SIGINT
// leaves at once.
#pragma once

namespace liere {

/// Call first in main: SLURM may send its signal before anything else has happened.
void install_stop_signals();
/// True once a signal came. Polled per step and per evaluation batch.
bool stop_requested();
/// "SIGINT", ...; "" before any signal.
const char* stop_signal_name();

}  // namespace liere
