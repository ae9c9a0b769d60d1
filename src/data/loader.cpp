#include "data/loader.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>

#include "core/check.h"

namespace liere {
namespace {

// Samples drawn in the place of an unreadable one before the data are given up.
constexpr uint32_t kSubstituteAttempts = 16;

// A batch under way. Rows are claimed and counted under the loader's mutex; their contents are written outside it, each by the thread that claimed
// it.
struct Pending {
  WorkItem work;
  Batch batch;
  int64_t rows = 0;  // samples, without the padding
  int64_t claimed = 0, finished = 0;
  int64_t failed_row = -1;
  std::exception_ptr error;
  std::vector<std::pair<int64_t, BadSample>> bad;  // with their rows
};

struct Claim {
  std::shared_ptr<Pending> pending;
  int64_t begin = 0, end = 0;
};

// The sample that a thread works on; kept while the next row is another view of it.
struct OpenSample {
  int64_t index = -1;
  std::string name;  // for messages
  std::unique_ptr<Source> source;
  SourceInfo info;
};

// The exception on its way, as a DataError that names the sample; the program's own errors of other kinds stay what they are.
std::exception_ptr named_error(const std::string& name) {
  try {
    throw;
  } catch (const Error& error) {
    if (error.code() != ExitCode::kData || std::string(error.what()).find(name) != std::string::npos) return std::current_exception();
    return std::make_exception_ptr(DataError(name + ": " + error.what()));
  } catch (const std::exception& error) {
    return std::make_exception_ptr(DataError(name + ": " + error.what()));
  } catch (...) {
    return std::current_exception();
  }
}

// Signals are for the main thread: threads started inside inherit this mask.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

struct Loader::State {
  const Dataset& dataset;
  const Recipe& recipe;
  const uint64_t seed;
  const LoaderOptions options;
  const WorkPlan plan;

  std::mutex mutex;
  std::condition_variable work_changed, batch_finished;
  std::deque<std::shared_ptr<Pending>> window;  // in order; the front is delivered next
  int64_t next_number = 0;
  bool exhausted = false, stopping = false;
  std::exception_ptr error;                           // delivered; every later call repeats it
  std::set<std::pair<int64_t, int64_t>> bad_samples;  // (epoch, sample) of the delivered batches' epoch; next() alone uses it
  std::vector<std::thread> threads;

  // Both need the mutex to be held.
  bool open_batch();
  bool claim(Claim& claim);

  void fill(const Claim& claim);
  void load_row(Pending& pending, int64_t row, OpenSample& sample, std::vector<std::pair<int64_t, BadSample>>& bad) const;
  void load_sample(Pending& pending, int64_t row, int64_t index, OpenSample& sample) const;
  void account_for(Pending& pending);
  void work();

  ~State() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    work_changed.notify_all();
    for (auto& thread : threads) thread.join();
  }
};

// Buffers of the next batch, everything but the pictures filled in. False after the last.
bool Loader::State::open_batch() {
  auto pending = std::make_shared<Pending>();
  try {
    auto item = plan(next_number);
    if (!item) {
      exhausted = true;
      return false;
    }
    pending->work = std::move(*item);
    const auto& work = pending->work;
    const auto rows = static_cast<int64_t>(work.indices.size());
    if ((!work.slots.empty() && work.slots.size() != work.indices.size()) || (!work.views.empty() && work.views.size() != work.indices.size()))
      throw ConfigError("loader: the work of batch " + std::to_string(next_number) + " has " + std::to_string(rows) + " samples but " +
                        std::to_string(work.slots.size()) + " slots and " + std::to_string(work.views.size()) + " views");
    pending->rows = rows;
    const int64_t size = std::max(rows, work.pad_to);
    const FrameShape shape = recipe.output_shape();
    const auto memory = torch::TensorOptions().pinned_memory(options.pinned);
    auto& batch = pending->batch;
    std::vector<int64_t> sizes = {size, shape.channels};
    if (recipe.axes() > 2) sizes.push_back(shape.frames);
    if (recipe.axes() > 1) sizes.push_back(shape.height);
    sizes.push_back(shape.width);
    batch.input = torch::empty(sizes, memory.dtype(torch::kFloat32));
    for (auto* tensor : {&batch.labels_B, &batch.indices_B, &batch.views_B}) *tensor = torch::empty({size}, memory.dtype(torch::kInt64));
    batch.weights_B = torch::empty({size}, memory.dtype(torch::kFloat32));
    if (dataset.multi_label()) batch.targets_BC = torch::zeros({size, static_cast<int64_t>(dataset.class_names().size())}, memory.dtype(torch::kFloat32));
    if (!work.slots.empty()) batch.slots_B = torch::empty({size}, torch::kInt64);
    for (int64_t row = 0; row < size; ++row) {
      const bool real = row < rows;
      batch.labels_B.mutable_data_ptr<int64_t>()[row] = 0;  // rows of samples get theirs with the picture
      batch.weights_B.mutable_data_ptr<float>()[row] = real ? 1.0f : 0.0f;
      batch.indices_B.mutable_data_ptr<int64_t>()[row] = real ? work.indices[row] : -1;
      batch.views_B.mutable_data_ptr<int64_t>()[row] = !real ? -1 : work.views.empty() ? 0 : work.views[row];
      if (batch.slots_B.defined()) batch.slots_B.mutable_data_ptr<int64_t>()[row] = real ? work.slots[row] : -1;
    }
    std::fill_n(batch.input.mutable_data_ptr<float>() + rows * shape.elements(), (size - rows) * shape.elements(), 0.0f);
  } catch (...) {
    pending->error = std::current_exception();
    pending->rows = 0;
    exhausted = true;
  }
  ++next_number;
  window.push_back(std::move(pending));
  return true;
}

// The next rows that nobody works on, opening a batch where the window allows it. False: nothing to do now.
bool Loader::State::claim(Claim& claim) {
  while (true) {
    for (const auto& pending : window)
      if (pending->claimed < pending->rows) {
        // Few rows at a time, so that workers finish a batch together; more for large batches of small pictures, where the mutex would be felt.
        const int64_t rows = std::clamp<int64_t>(pending->rows / (4 * std::max<int64_t>(options.workers, 1)), 1, 16);
        claim = {pending, pending->claimed, std::min(pending->claimed + rows, pending->rows)};
        // A sample's views stay with one worker, which then decodes it once.
        const auto& indices = pending->work.indices;
        while (claim.end < pending->rows && indices[claim.end] == indices[claim.end - 1]) ++claim.end;
        pending->claimed = claim.end;
        return true;
      }
    if (exhausted || static_cast<int64_t>(window.size()) >= options.prefetch) return false;
    const bool opened = open_batch();
    if (!opened || window.back()->rows == 0) batch_finished.notify_all();  // the end, an error, or a batch of padding alone: nobody else will say so
    if (!opened) return false;
  }
}

void Loader::State::load_sample(Pending& pending, int64_t row, int64_t index, OpenSample& sample) const {
  const int64_t view = pending.work.views.empty() ? 0 : pending.work.views[row];
  if (sample.index != index) {
    sample = {index, "sample " + std::to_string(index), nullptr, {}};
    sample.source = dataset.open(index);
    sample.info = sample.source->info();
    sample.name = sample.info.name;
  }
  const Plan plan = recipe.plan(
      sample.info, Rng(seed, Purpose::kAugmentation, pending.work.epoch, static_cast<uint32_t>(index), static_cast<uint32_t>(view)), view);
  float* input = pending.batch.input.mutable_data_ptr<float>() + row * recipe.output_shape().elements();
  fill_input(plan, sample.source->decode(plan.request), recipe, sample.name, input);
  pending.batch.labels_B.mutable_data_ptr<int64_t>()[row] = sample.info.label;
  if (auto& targets_BC = pending.batch.targets_BC; targets_BC.defined()) {
    if (static_cast<int64_t>(sample.info.targets.size()) != targets_BC.size(1))
      throw DataError(sample.name + ": " + std::to_string(sample.info.targets.size()) + " labels, expected one for each of the " + std::to_string(targets_BC.size(1)) + " classes");
    std::copy(sample.info.targets.begin(), sample.info.targets.end(), targets_BC.mutable_data_ptr<float>() + row * targets_BC.size(1));
  }
  pending.batch.indices_B.mutable_data_ptr<int64_t>()[row] = index;
}

// The row's sample, or what takes the place of one that cannot be read.
void Loader::State::load_row(Pending& pending, int64_t row, OpenSample& sample, std::vector<std::pair<int64_t, BadSample>>& bad) const {
  const auto& substitutes = options.bad_samples.substitutes;
  const int64_t wanted = pending.work.indices[row];
  int64_t index = wanted;
  const size_t before = bad.size();
  for (uint32_t attempt = 0;; ++attempt) {
    try {
      load_sample(pending, row, index, sample);
      break;
    } catch (const DataError& error) {
      if (!substitutes || substitutes->empty()) throw;
      const std::string reason = error.what();
      const std::string named = reason.find(sample.name) == std::string::npos ? sample.name + ": " + reason : reason;
      bad.push_back({row, {pending.work.epoch, index, -1, named}});
      sample = {};
      if (attempt == kSubstituteAttempts)
        throw DataError("sample " + std::to_string(wanted) + " and " + std::to_string(kSubstituteAttempts) +
                        " samples drawn in its place cannot be read, the last because of: " + named + ". Check the data with liere-data verify.");
    }
    Rng rng(seed, Purpose::kSubstitute, pending.work.epoch, static_cast<uint32_t>(wanted), attempt);
    index = (*substitutes)[rng.integer(static_cast<int64_t>(substitutes->size()))];
  }
  for (size_t i = before; i < bad.size(); ++i) bad[i].second.substitute = index;
}

// Reports a delivered batch's unreadable samples and holds them against the budget. Batches come in order, so what is counted where does not depend
// on the workers.
void Loader::State::account_for(Pending& pending) {
  std::stable_sort(pending.bad.begin(), pending.bad.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [row, sample] : pending.bad) {
    if (!bad_samples.empty() && bad_samples.begin()->first != sample.epoch) bad_samples.clear();
    if (!bad_samples.insert({sample.epoch, sample.index}).second) continue;
    if (options.bad_samples.report) options.bad_samples.report(sample);
    if (static_cast<int64_t>(bad_samples.size()) > options.bad_samples.budget)
      throw DataError("more than " + std::to_string(options.bad_samples.budget) + " samples of epoch " + std::to_string(sample.epoch) +
                      " cannot be read (loader.bad_sample_budget), the last because of: " + sample.reason +
                      ". Check the data with liere-data verify, or raise the budget.");
  }
}

void Loader::State::fill(const Claim& claim) {
  OpenSample sample;
  int64_t row = claim.begin;
  std::exception_ptr failure;
  std::vector<std::pair<int64_t, BadSample>> bad;
  try {
    for (; row < claim.end; ++row) {
      if (row > claim.begin) {
        const std::lock_guard lock(mutex);
        if (stopping) return;
      }
      load_row(*claim.pending, row, sample, bad);
    }
  } catch (...) {
    failure = named_error(sample.name);
  }
  const std::lock_guard lock(mutex);
  auto& pending = *claim.pending;
  pending.bad.insert(pending.bad.end(), bad.begin(), bad.end());
  // The lowest failing row counts, whoever met one first: the message does not depend on the workers.
  if (failure && (pending.failed_row < 0 || row < pending.failed_row)) {
    pending.failed_row = row;
    pending.error = failure;
  }
  pending.finished += claim.end - claim.begin;
  if (pending.finished == pending.rows) batch_finished.notify_all();
}

void Loader::State::work() {
  pthread_setname_np(pthread_self(), "loader");
  std::unique_lock lock(mutex);
  while (!stopping) {
    Claim mine;
    if (!claim(mine)) {
      work_changed.wait(lock);
      continue;
    }
    lock.unlock();
    fill(mine);
    mine = {};
    lock.lock();
  }
}

Loader::Loader(const Dataset& dataset, const Recipe& recipe, uint64_t seed, LoaderOptions options, WorkPlan plan)
    : state_(new State{dataset, recipe, seed, options, std::move(plan)}) {
  if (options.workers < 0 || options.prefetch < 1)
    throw ConfigError("loader: expected workers >= 0 and prefetch >= 1, found " + std::to_string(options.workers) + " and " +
                      std::to_string(options.prefetch));
  if (dataset.size() > int64_t{0xffffffff})
    throw ConfigError("loader: the dataset has " + std::to_string(dataset.size()) + " samples; at most 2^32 - 1 can be numbered");
  const BlockedSignals blocked;
  for (int64_t i = 0; i < options.workers; ++i) state_->threads.emplace_back([state = state_.get()] { state->work(); });
}

Loader::~Loader() = default;

std::optional<Batch> Loader::next() {
  const auto start = std::chrono::steady_clock::now();
  auto& state = *state_;
  std::unique_lock lock(state.mutex);
  if (state.error) std::rethrow_exception(state.error);
  if (state.options.workers == 0) {
    if (state.window.empty() && !state.exhausted) state.open_batch();
    for (Claim mine; !state.window.empty() && state.window.front()->claimed < state.window.front()->rows;) {
      state.claim(mine);
      lock.unlock();
      state.fill(mine);
      lock.lock();
    }
  } else {
    // The front may not be opened yet: only workers open batches.
    state.batch_finished.wait(lock, [&] {
      if (state.window.empty()) return state.exhausted;
      return state.window.front()->finished == state.window.front()->rows;
    });
  }
  wait_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (state.window.empty()) return std::nullopt;
  const auto pending = std::move(state.window.front());
  state.window.pop_front();
  try {
    if (!pending->bad.empty()) state.account_for(*pending);
  } catch (...) {
    pending->error = std::current_exception();  // the budget comes first: a row that failed for good may lie behind it
  }
  if (pending->error) {
    state.error = pending->error;
    state.stopping = true;
  }
  state.work_changed.notify_all();
  if (pending->error) std::rethrow_exception(pending->error);
  return std::move(pending->batch);
}

}  // namespace liere
