#include "core/signals.h"

#include <unistd.h>

#include <cstdlib>

namespace liere {
namespace {

volatile std::sig_atomic_t received = 0;
volatile std::sig_atomic_t interrupts = 0;
volatile std::sig_atomic_t has_launcher = 0;

// Async-signal-safe: sets flags only, or leaves.
void on_signal(int signal) {
  received = signal;
  if (signal != SIGINT) return;
  interrupts = interrupts + 1;
  if (interrupts > 1 && !has_launcher) _exit(130);
}

}  // namespace

void install_stop_signals() {
  has_launcher = std::getenv("LIERE_RANK") != nullptr;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : kStopSignals) {
    sigaction(signal, &action, nullptr);
    sigaddset(&signals, signal);
  }
  sigprocmask(SIG_UNBLOCK, &signals, nullptr);
  // A write beyond a file size limit then fails with EFBIG instead of killing the process in the middle of a save.
  std::signal(SIGXFSZ, SIG_IGN);
}

bool stop_requested() { return received != 0; }
int stop_signal() { return received; }

const char* stop_signal_name() {
  switch (received) {
    case SIGINT: return "SIGINT";
    case SIGTERM: return "SIGTERM";
    case SIGUSR1: return "SIGUSR1";
    case SIGUSR2: return "SIGUSR2";
    default: return "";
  }
}

}  // namespace liere
