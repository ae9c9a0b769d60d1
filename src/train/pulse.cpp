#include "train/pulse.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <future>
#include <iostream>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core/check.h"
#include "core/log.h"
#include "core/machine.h"

namespace liere {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr const char* kFailure = "failure";
constexpr auto kStoreAnswers = std::chrono::seconds(3);
// How long another rank's failure may be known before this one is ended in the middle of a wait: the wait usually ends by itself.
constexpr auto kGrace = std::chrono::seconds(3);

std::string key(int rank) { return "sign/" + std::to_string(rank); }
std::vector<uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }
std::string text_of(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

/// "17\thost\tat step 12, in the gradients" without its first field, readable.
std::string where(const std::string& sign) {
  const auto host = sign.find('\t'), place = sign.find('\t', host + 1);
  if (host == std::string::npos || place == std::string::npos) return "which has not been heard of";
  return "on " + sign.substr(host + 1, place - host - 1) + " (" + sign.substr(place + 1) + ")";
}

/// The result of `call`, or nullopt when it throws or takes longer than `limit`; it goes on by itself then.
template <class T>
std::optional<T> within(Clock::duration limit, std::function<T()> call) {
  auto promise = std::make_shared<std::promise<T>>();
  auto result = promise->get_future();
  std::thread([promise, call = std::move(call)] {
    try {
      promise->set_value(call());
    } catch (...) {
      promise->set_exception(std::current_exception());
    }
  }).detach();
  if (result.wait_for(limit) != std::future_status::ready) return std::nullopt;
  try {
    return result.get();
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

}  // namespace

struct Pulse::State : std::enable_shared_from_this<Pulse::State> {
  c10::intrusive_ptr<c10d::Store> store;  // a connection of its own
  int rank = 0, size = 1;
  double timeout = 0;
  milliseconds interval{};
  std::atomic<int64_t> step = 0;
  std::atomic<const char*> what = nullptr;
  std::atomic<Clock::time_point> entered{};
  std::atomic<bool> failure_known = false;
  std::atomic<bool> explained = false;  // the waiting thread says it itself
  std::mutex mutex;
  std::condition_variable wake;
  bool stopping = false;

  bool pause() {
    std::unique_lock lock(mutex);
    return !wake.wait_for(lock, interval, [this] { return stopping; });
  }

  void beat(int64_t number) {
    const char* const now = what;
    store->set(key(rank), bytes_of(std::to_string(number) + "\t" + host_name() + "\tat step " + std::to_string(step.load()) + (now ? std::string(", in ") + now : std::string(", working"))));
  }
  std::string failure() { return store->check({kFailure}) ? text_of(store->get(kFailure)) : std::string(); }
  std::vector<std::string> signs() {
    std::vector<std::string> result;
    for (int r = 0; r < size; ++r) result.push_back(store->check({key(r)}) ? text_of(store->get(key(r))) : std::string());
    return result;
  }

  void keep_beating() {
    for (int64_t number = 1; pause(); ++number) {
      try {
        beat(number);
        if (!failure_known && !failure().empty()) failure_known = true;
      } catch (const std::exception&) {
        return;  // rank 0 is gone: the collectives notice
      }
    }
  }

  void keep_watching() {
    std::optional<Clock::time_point> failed_at;
    while (pause()) {
      if (failure_known && !failed_at) failed_at = Clock::now();
      if (!what.load() || explained) continue;
      const auto waited = Clock::now() - entered.load();
      const bool too_long = waited > std::chrono::duration<double>(timeout) + kGrace;
      if (!too_long && !(failed_at && Clock::now() - *failed_at > kGrace && waited > kGrace)) continue;
      explained = true;
      std::cerr << "error: " << explain(too_long ? "no answer for " + format_duration(std::chrono::duration<double>(waited).count()) : "another rank ended") << std::endl;
      std::_Exit(static_cast<int>(ExitCode::kDevice));
    }
  }

  /// Who is missing, from two looks at the signs.
  std::string missing() {
    if (auto reason = failure(); !reason.empty()) return reason;
    const auto before = signs();
    std::this_thread::sleep_for(3 * interval);
    if (auto reason = failure(); !reason.empty()) return reason;
    const auto after = signs();
    std::string silent, alive;
    for (int r = 0; r < size; ++r) {
      if (r == rank) continue;
      const auto at = static_cast<size_t>(r);
      auto& list = before[at] != after[at] ? alive : silent;
      list += (list.empty() ? "" : ", ") + ("rank " + std::to_string(r) + " " + where(after[at]));
    }
    return silent.empty() ? "all ranks live: " + alive : "no sign of life from " + silent;
  }

  std::string explain(const std::string& cause) {
    const char* const now = what;
    const auto found = within<std::string>(3 * interval + kStoreAnswers, [self = shared_from_this()] { return self->missing(); });
    return "rank " + std::to_string(rank) + " on " + host_name() + " could not go on with the others at step " + std::to_string(step.load()) + (now ? std::string(", in ") + now : "") + " (" + cause +
           "): " + found.value_or("rank 0, which serves the others' meeting place, does not answer") + ". The same command goes on from the last checkpoint.";
  }
};

Pulse::Pulse(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size, double timeout_seconds) : state_(std::make_shared<State>()) {
  state_->store = store->clone();
  state_->rank = rank;
  state_->size = size;
  state_->timeout = timeout_seconds;
  state_->interval = milliseconds(static_cast<int64_t>(std::clamp(100 * timeout_seconds, 50.0, 400.0)));
  state_->beat(0);
  std::thread([state = state_] { state->keep_beating(); }).detach();
  std::thread([state = state_] { state->keep_watching(); }).detach();
}

Pulse::~Pulse() {
  const std::lock_guard lock(state_->mutex);
  state_->stopping = true;
  state_->wake.notify_all();
}

void Pulse::set_step(int64_t step) { state_->step = step; }

void Pulse::enter(const char* what) {
  state_->entered = Clock::now();
  state_->what = what;
}

void Pulse::leave() { state_->what = nullptr; }

std::string Pulse::explain(const std::string& cause) {
  state_->explained = true;
  auto text = state_->explain(cause);
  leave();
  return text;
}

void Pulse::report_failure(const std::string& reason) noexcept {
  try {
    within<bool>(kStoreAnswers, [state = state_, reason] {
      state->store->compareSet(kFailure, {}, bytes_of("rank " + std::to_string(state->rank) + " on " + host_name() + " ended: " + reason));
      return true;
    });
  } catch (const std::exception&) {  // no thread to be had: the others notice by themselves
  }
}

}  // namespace liere
