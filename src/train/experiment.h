// The composition root: one struct holds every configuration struct, and decides nothing itself.
#pragma once

#include <string>
#include <vector>

#include "core/config.h"
#include "data/config.h"
#include "data/mixup.h"
#include "launch/place.h"
#include "models/config.h"
#include "train/compat.h"
#include "train/device.h"
#include "train/distributed.h"
#include "train/ema.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/weights_import.h"

namespace liere {

enum class Precision { kBf16, kFp32, kFp64 };
template <> struct EnumNames<Precision> {
  static constexpr std::pair<Precision, std::string_view> values[] = {{Precision::kBf16, "bf16"}, {Precision::kFp32, "fp32"}, {Precision::kFp64, "fp64"}};
};
enum class DeviceKind { kAuto, kCpu, kCuda };
template <> struct EnumNames<DeviceKind> {
  static constexpr std::pair<DeviceKind, std::string_view> values[] = {{DeviceKind::kAuto, "auto"}, {DeviceKind::kCpu, "cpu"}, {DeviceKind::kCuda, "cuda"}};
};

struct TrainConfig {
  int64_t epochs = 200;
  std::optional<int64_t> steps;
  int64_t batch_size = 512;
  std::optional<IntegerOrAuto> micro_batch;
  Precision precision = Precision::kBf16;
  int64_t non_finite_limit = 5;
  bool activation_checkpointing = false;
  AttentionKernel attention = AttentionKernel::kAuto;
  ExpKernel exp_kernel = ExpKernel::kAuto;
  bool cuda_graph = false;
};
template <class V> void fields(V& v, TrainConfig& c) {
  v("epochs", c.epochs, "passes over the training set", at_least(1));
  v("steps", c.steps, "stop after this many optimiser steps (save, evaluate, done); the schedule keeps its horizon", at_least(1).not_identity());
  v("batch_size", c.batch_size, "samples of one optimiser step, over all devices", at_least(1));
  v("micro_batch", c.micro_batch, "samples per forward pass; gradients are accumulated (default: the whole batch; auto: as many as fit into memory)", at_least(1).not_identity());
  v("precision", c.precision, "bf16 (autocast; parameters, rotations and optimiser in fp32), fp32 or fp64");
  v("non_finite_limit", c.non_finite_limit, "steps in a row with a non-finite gradient or loss that are skipped before the run ends with exit code 6", at_least(1).not_identity());
  v("activation_checkpointing", c.activation_checkpointing, "keep only each block's input for the backward pass and compute the rest again: less memory, a third more time, the same result", not_identity());
  v("attention", c.attention, "attention's kernel on a GPU: auto (the program's own for short sequences in bf16, else torch's choice), or torch's flash, efficient, cudnn or math; on the CPU auto alone", not_identity());
  v("exp_kernel", c.exp_kernel, "on a GPU, LieRE's matrix exponential: auto (by block side and the device's attributes), tensor_cores (blocks of 32 and 64; each factor as two halves) or fp32", not_identity());
  v("cuda_graph", c.cuda_graph, "on a GPU: record the work of a step once as a CUDA graph and queue it whole from then on, which small models gain from; not with mixup or cutmix", not_identity());
}

struct ClipConfig {
  std::optional<double> norm;
};
template <class V> void fields(V& v, ClipConfig& c) {
  v("norm", c.norm, "largest global gradient norm (default: no clipping)", positive());
}

struct CheckpointConfig {
  int64_t every_epochs = 1;
  std::optional<int64_t> every_steps;
  int64_t keep = 2;
  bool background = true;
  int64_t failure_limit = 3;
};
template <class V> void fields(V& v, CheckpointConfig& c) {
  v("every_epochs", c.every_epochs, "epochs between checkpoints", at_least(1));
  v("every_steps", c.every_steps, "optimiser steps between checkpoints, beside those at the ends of epochs", at_least(1));
  v("keep", c.keep, "newest checkpoints kept, beside the best", at_least(1));
  v("background", c.background, "write from a copy of the weights while training goes on");
  v("failure_limit", c.failure_limit, "checkpoints in a row that cannot be written before the run ends with exit code 4", at_least(1));
}

/// Which weights are evaluated: those that are trained, or their moving average.
enum class EvalWeights { kRaw, kEma };
template <> struct EnumNames<EvalWeights> {
  static constexpr std::pair<EvalWeights, std::string_view> values[] = {{EvalWeights::kRaw, "raw"}, {EvalWeights::kEma, "ema"}};
};

struct EvalConfig {
  int64_t every_epochs = 1;
  std::optional<int64_t> every_steps;
  int64_t batch_size = 250;
  std::optional<int64_t> limit;
  EvalWeights weights = EvalWeights::kRaw;
  int64_t resamples = 1000;
  int64_t shuffle_seeds = 3;
  int64_t attention_samples = 8;
  double specificity = 0.9;
  std::vector<int64_t> sizes;
};
template <class V> void fields(V& v, EvalConfig& c) {
  v("every_epochs", c.every_epochs, "epochs between evaluations during training (the last epoch is always evaluated)", at_least(1));
  v("every_steps", c.every_steps, "optimiser steps between evaluations, beside those at the ends of epochs", at_least(1));
  v("batch_size", c.batch_size, "samples per forward pass", at_least(1));
  v("limit", c.limit, "evaluate the first samples of the test set only (the count is in every result)", at_least(1));
  v("weights", c.weights, "raw: the weights as trained; ema: their moving average");
  v("resamples", c.resamples, "bootstrap resamples of the test set behind the 95 % intervals", between(10, 1000000));
  v("shuffle_seeds", c.shuffle_seeds, "repetitions of the tests shuffle and random-rotations, each with a seed of its own", at_least(1));
  v("attention_samples", c.attention_samples, "samples, evenly spread over the test set, whose attention the test attention draws", between(1, 64));
  v("specificity", c.specificity, "of the test detection: the threshold is the lowest that leaves this share of the validation part's negatives below it", FieldRule{.low = 0, .high = 1, .low_open = true});
  v("sizes", c.sizes, "pixels per side of the resolution test; orthogonality takes the largest (default: 1, 1.5, 2 and 3 times the training size, rounded to whole patches)", at_least(1));
}

/// What training does about a sample that cannot be read; evaluation never leaves one out.
enum class BadSamples { kError, kSkip };
template <> struct EnumNames<BadSamples> {
  static constexpr std::pair<BadSamples, std::string_view> values[] = {{BadSamples::kError, "error"}, {BadSamples::kSkip, "skip"}};
};
struct LoaderConfig {
  std::optional<int64_t> workers;
  int64_t prefetch = 4;
  BadSamples bad_samples = BadSamples::kError;
  int64_t bad_sample_budget = 10;
};
template <class V> void fields(V& v, LoaderConfig& c) {
  v("workers", c.workers, "loader threads; 0 loads in the training thread (default: the processors that affinity and control group leave to this process, 4 at most)", between(0, 256));
  v("prefetch", c.prefetch, "batches kept ready", between(1, 256));
  v("bad_samples", c.bad_samples, "a training sample that cannot be read: error ends the run with exit code 3; skip takes another one drawn by (seed, epoch, sample) in its place and lists it in the run folder's bad_samples.txt (evaluation always ends)");
  v("bad_sample_budget", c.bad_sample_budget, "of bad_samples: skip: different samples per epoch that may be unreadable; one more ends the run with exit code 3", at_least(0));
}

struct LogConfig {
  int64_t every_steps = 10;
  double flush_seconds = 10;
  bool tensorboard = true;
};
template <class V> void fields(V& v, LogConfig& c) {
  v("every_steps", c.every_steps, "optimiser steps between lines of metrics.jsonl", at_least(1));
  v("flush_seconds", c.flush_seconds, "metrics reach the disk at the latest after this many seconds, and before a checkpoint is published", between(0, 3600));
  v("tensorboard", c.tensorboard, "write TensorBoard events into the run folder as well");
}

struct ExperimentConfig {
  uint64_t seed = 0;
  std::string output;
  Compat compat = Compat::kNone;
  ConfigNode reproduces;
  DeviceKind device = DeviceKind::kAuto;
  std::optional<int64_t> threads;
  bool deterministic = false;
  VitConfig model;
  DataConfig data;
  AugmentConfig augment;
  MixupConfig mixup;
  LossConfig loss;
  TrainConfig train;
  OptimizerConfig optimizer;
  ClipConfig clip;
  ScheduleConfig schedule;
  EmaConfig ema;
  InitConfig init;
  CheckpointConfig checkpoint;
  EvalConfig eval;
  LoaderConfig loader;
  LogConfig log;
  DistributedConfig distributed;
};
template <class V> void fields(V& v, ExperimentConfig& c) {
  v("seed", c.seed, "seed of everything drawn: initial values, order, augmentation, dropout");
  v("output", c.output, "run folder (default: runs/<config>_seed<seed>)", not_identity());
  v("compat", c.compat, "liere_release sets the keys that compute what the paper's released code computes, where it differs from the paper (docs/reproduce.md lists them); keys beside it and below win", not_identity());
  v("reproduces", c.reproduces, "cells of the paper's tables with the figures to expect, for liere-report (docs/reports.md)", not_identity());
  v("device", c.device, "auto (CUDA when it can be used), cpu or cuda", not_identity());
  v("threads", c.threads, "compute threads on the CPU (default: all processors this process may use)", between(1, 1024).not_identity());
  v("deterministic", c.deterministic, "refuse operations that have no deterministic form on the device (on the CPU all have one)", not_identity());
  v("model", c.model, "the vision transformer");
  v("data", c.data, "the data set");
  v("augment", c.augment, "training augmentation and normalisation");
  v("mixup", c.mixup, "Mixup and CutMix");
  v("loss", c.loss, "the training loss");
  v("train", c.train, "how long, in what batches and precision");
  v("optimizer", c.optimizer, "the optimiser");
  v("clip", c.clip, "gradient clipping");
  v("schedule", c.schedule, "the learning rate over time");
  v("ema", c.ema, "moving average of the weights");
  v("init", c.init, "where the weights start");
  v("checkpoint", c.checkpoint, "when checkpoints are written and how many stay", not_identity());
  v("eval", c.eval, "evaluation during training and by liere-eval", not_identity());
  v("loader", c.loader, "data loading", not_identity());
  v("log", c.log, "metrics", not_identity());
  v("distributed", c.distributed, "several processes that train one model together", not_identity());
}

/// An experiment as a command sees it: the decoded and resolved configuration and where its values came from.
struct Experiment {
  ExperimentConfig config;
  ConfigNode node;
  std::string name;  // of the config file, without folder and .yaml
};

/// Finds, reads, overrides, decodes and resolves. Throws ConfigError.
Experiment load_experiment(const std::string& config_name, const std::vector<std::string>& overrides);

/// Checks what involves more than one section (input size against an arrows grid, micro-batch against batch) and fills derived values.
void resolve(ExperimentConfig& config);

/// docs/configs.md: every key with type, default, range and meaning.
std::string config_reference();

/// The rule that gives tokens their positions; nullopt for encodings without positions (none, absolute, rope).
std::optional<PositionRule> position_rule(const PositionConfig& position);
/// What a sample is called in the plural: "images", "videos".
std::string sample_unit(const ExperimentConfig& config);
/// "liere", "rope_mixed", ...
std::string encoding_kind(const PositionConfig& position);

/// The arithmetic that a precision computes products in.
inline FmaKind fma_kind(Precision precision) { return precision == Precision::kFp64 ? FmaKind::kFp64 : precision == Precision::kBf16 ? FmaKind::kBf16 : FmaKind::kFp32; }

/// Sets the number of compute threads and chooses the device of the process at `place`; says which in one line, and on a GPU which attention kernel serves. Throws DeviceError.
torch::Device open_device(const ExperimentConfig& config, const Place& place = {});

/// Classes and training-set size that the configuration implies without opening any file (the official sizes), for --dry-run; a tree of pictures (kind folder) has no
/// official size and is counted: DataError when it is not there.
int64_t class_count(const DatasetConfig& dataset);
int64_t nominal_train_size(const DatasetConfig& dataset);
/// Of what evaluations during training measure: the test set, of volumes the validation part.
int64_t nominal_test_size(const DatasetConfig& dataset);

}  // namespace liere
