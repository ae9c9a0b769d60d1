// A sign of life of each rank through the store, so that whoever waits in vain can say for whom. One thread writes several times a second where this rank stands and looks for the others; another ends the
// process when a collective has taken longer than the timeout (NCCL's own calls never return), or when another rank has said why it ended. The store's calls never return
// when rank 0, which serves it, is frozen: that its answers stay away is its sign.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <memory>
#include <string>

namespace liere {

class Pulse {
 public:
  Pulse(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size, double timeout_seconds);
  ~Pulse();
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

  void set_step(int64_t step);
  /// The calling thread begins, ends to wait for other ranks; `what` is a literal.
  void enter(const char* what);
  /// `what` before training, which are no collectives: while they last, a stop signal or a rank that ended or is silent ends the process.
  static constexpr const char* kConnecting = "the first connection";
  static constexpr const char* kComparing = "the comparison of program, configuration and data";
  void leave();

  /// One sentence about a collective that failed: what `cause` says, which ranks are gone, where each was. Takes a second where a rank has just died, no time where one was waited for until the timeout.
  std::string explain(const std::string& cause);
  /// Tells the others why this rank ends; the first to say so is heard.
  void report_failure(const std::string& reason) noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the threads, which may outlive this object in a call of the store
};

}  // namespace liere
