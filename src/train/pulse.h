// A sign of life of each rank through the store, so that whoever waits in vain can say for whom: a thread writes twice a second where this rank stands and ends the process
// when a collective has taken longer than the timeout (NCCL's own calls never return), or when another rank has said why it ended.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace liere {

class Pulse {
 public:
  Pulse(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size, double timeout_seconds);
  ~Pulse();
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

  void set_step(int64_t step) { step_ = step; }
  /// The calling thread begins, ends to wait for other ranks; `what` is a literal.
  void enter(const char* what);
  void leave() { what_ = nullptr; }

  /// One sentence about a collective that failed: what `cause` says, which ranks are gone, where each was. Takes about a second.
  std::string explain(const std::string& cause);
  /// Tells the others why this rank ends; the first to say so is heard.
  void report_failure(const std::string& reason) noexcept;

 private:
  using Clock = std::chrono::steady_clock;
  void run();
  void beat();
  /// What the ranks wrote last; empty for one that did not yet. Throws when the store does not answer.
  std::vector<std::string> signs();
  std::string failure();

  c10::intrusive_ptr<c10d::Store> store_, own_store_;  // of the calling thread, of the thread
  const int rank_, size_;
  const double timeout_;
  const Clock::duration interval_;
  std::atomic<int64_t> step_ = 0;
  std::atomic<const char*> what_ = nullptr;
  std::atomic<Clock::time_point> entered_{};
  int64_t beats_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace liere
