// Batches for the model, prepared by worker threads and delivered in order. What a batch holds follows from its work item, the recipe and the seed
// alone: every sample draws from Rng(seed, kAugmentation, epoch, sample, view), so neither the number of workers nor the prefetch changes a bit.
// Workers claim a few rows at a time, so that one batch is soon ready also with few of them; at most `prefetch` batches are under way or waiting
// (back-pressure). Workers do no tensor mathematics (plain loops into the batch's memory): the compute threads are torch's.
#pragma once

#include <torch/torch.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "data/recipe.h"

namespace liere {

/// B rows; rows beyond the work item's samples are padding: input and label 0, weight 0, index, view and slot -1.
struct Batch {
  torch::Tensor input;      // float32 [B, C, H, W], or [B, C, T, H, W] where the recipe's output has more than one frame
  torch::Tensor labels_B;   // int64
  torch::Tensor targets_BC; // float32: 0 or 1 for each class of a multi-label data set; else undefined
  torch::Tensor weights_B;  // float32: 1 for a sample, 0 for padding
  torch::Tensor indices_B;  // int64: sample of the dataset
  torch::Tensor views_B;    // int64: view of the sample
  torch::Tensor slots_B;    // int64, always CPU memory without pinning: slot within the optimiser step; undefined at evaluation
};

/// The work of one batch.
struct WorkItem {
  std::vector<int64_t> indices;  // samples of the dataset, one per row
  std::vector<int64_t> slots;    // training: the global slot of each row within the optimiser step; empty at evaluation
  std::vector<int64_t> views;    // of each row; empty: all 0
  int64_t pad_to = 0;            // rows of the batch if there are fewer samples
  uint32_t epoch = 0;
};

/// The work of batch 0, 1, 2, ..: a pure function; nullopt after the last. Called in order, by one thread at a time, not always the same one.
using WorkPlan = std::function<std::optional<WorkItem>(int64_t batch_number)>;

/// Evaluation: item = sample * views + view; global batch j holds items jB .. jB+B-1, padded to B, and rank r takes j = r, r + world, ..: every item
/// stands in the same batch and row at any world size. B is batch_size rounded up to a multiple of `views`, so a sample's views stay together.
/// `indices` are the samples to evaluate.
WorkPlan evaluation_plan(std::vector<int64_t> indices, int64_t batch_size, int64_t rank, int64_t world, int64_t views = 1);
/// The same for all samples of a dataset of this size.
WorkPlan evaluation_plan(int64_t size, int64_t batch_size, int64_t rank, int64_t world, int64_t views = 1);

/// min(processors that affinity and control groups leave to this process, 4).
int64_t default_workers();

/// A training sample that could not be read, and what took its place.
struct BadSample {
  int64_t epoch = 0, index = 0, substitute = 0;
  std::string reason;  // names the sample
};

/// What to do about samples that cannot be read. Without `substitutes` the first is an error. With them (training) its row is filled by another
/// sample: attempt k takes substitutes[Rng(seed, kSubstitute, epoch, sample, k).integer(n)], so the batch is full, its loss is the mean of as many
/// samples as ever, and what it holds does not depend on the number of workers (a row of weight 0 would make this batch's other samples count for
/// less, or need its count before the first micro-batch).
struct BadSamplePolicy {
  std::shared_ptr<const std::vector<int64_t>> substitutes;  // samples of the dataset to draw from
  int64_t budget = 0;  // different unreadable samples per epoch; one more is a DataError, at the turn of the batch that met it
  std::function<void(const BadSample&)> report;  // called by next() in the batches' and rows' order, once per epoch and sample
};

struct LoaderOptions {
  int64_t workers = default_workers();  // 0: next() prepares the batch itself
  int64_t prefetch = 4;                 // batches under way or waiting, at least 1
  bool pinned = false;                  // page-locked memory for copies to a GPU; needs one
  BadSamplePolicy bad_samples;
};

class Loader {
 public:
  /// `dataset` and `recipe` must outlive the loader. Throws ConfigError for options out of range.
  Loader(const Dataset& dataset, const Recipe& recipe, uint64_t seed, LoaderOptions options, WorkPlan plan);
  /// Waits for the samples in work (not for whole batches) and ends the workers.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The next batch in order; nullopt after the last. An exception in a worker comes out here, at its batch's turn (the first failing row's, as
  /// DataError with the sample's name), and again at every later call.
  std::optional<Batch> next();
  /// Time that next() has waited (workers = 0: worked) so far.
  double wait_seconds() const { return wait_seconds_; }

 private:
  struct State;
  std::unique_ptr<State> state_;
  double wait_seconds_ = 0;
};

}  // namespace liere
