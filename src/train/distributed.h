// The processes (ranks) of a run that train one model together: c10d's process group over NCCL (a GPU each) or Gloo, behind the few calls that training needs.
// Every call names what it is for: where a rank is lost or frozen, the error says who, on which host, at which step and in which of them.
// c10d has no promise of stability for C++: distributed.cpp and distributed_nccl.cpp are the only files that see it.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/fields.h"
#include "launch/place.h"
#include "train/optimizer.h"

namespace c10d {
class Store;
}

namespace liere {

enum class DistributedBackend { kAuto, kNccl, kGloo };
template <> struct EnumNames<DistributedBackend> {
  static constexpr std::pair<DistributedBackend, std::string_view> values[] = {{DistributedBackend::kAuto, "auto"}, {DistributedBackend::kNccl, "nccl"}, {DistributedBackend::kGloo, "gloo"}};
};
enum class GradientCompression { kNone, kBf16 };
template <> struct EnumNames<GradientCompression> {
  static constexpr std::pair<GradientCompression, std::string_view> values[] = {{GradientCompression::kNone, "none"}, {GradientCompression::kBf16, "bf16"}};
};

struct DistributedConfig {
  DistributedBackend backend = DistributedBackend::kAuto;
  double timeout = 600;
  GradientCompression compression = GradientCompression::kNone;
  double bucket_mib = 25;
  bool share_device = false;
};
template <class V> void fields(V& v, DistributedConfig& c) {
  v("backend", c.backend, "auto (nccl where every rank has a GPU of its own, else gloo), nccl or gloo; named, it is used by a single process as well, to try it out");
  v("timeout", c.timeout, "seconds that a rank waits for the others before the run ends with exit code 5, naming who is missing", between(1, 86400));
  v("compression", c.compression, "gradients between ranks: none (as they are) or bf16 (half the bytes; each is rounded before it is added)");
  v("bucket_mib", c.bucket_mib, "MiB of gradients that are reduced together while the backward pass goes on", between(0.01, 4096));
  v("share_device", c.share_device, "let several ranks use one GPU (over gloo): for tests");
}

class Ranks {
 public:
  /// One process by itself: every call returns at once.
  Ranks();
  /// Meets the others at place.host:place.port, which rank 0 serves. Throws DeviceError within 30 seconds: the port is taken, rank 0 cannot be reached, ranks are missing, backend and device do not go together.
  Ranks(const Place& place, torch::Device device, const DistributedConfig& config);
  /// The same through a store that is there already (threads of one process: tests).
  Ranks(int64_t rank, int64_t size, c10::intrusive_ptr<c10d::Store> store, torch::Device device, const DistributedConfig& config);
  /// Without finish() before it: lets go at once, whatever the others do.
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  int64_t rank() const { return rank_; }
  int64_t size() const { return size_; }
  /// The one that writes the run folder and talks.
  bool is_first() const { return rank_ == 0; }
  /// No group of processes: nothing to wait for. A single process has one all the same where distributed.backend names it, to try it out.
  bool is_alone() const { return !group_; }
  /// "rank 1 of 4 on HOST".
  std::string name() const;

  /// Facts that must be the same everywhere, each (name, text of one or more lines). Goes through the store, before any collective: c10d ends a process where shapes differ.
  /// Throws ConfigError naming the first line that differs and in which ranks.
  void require_same(const std::vector<std::pair<std::string, std::string>>& facts);

  /// Where the run stands, for the messages of all ranks.
  void set_step(int64_t step);

  /// values <- their sum over all ranks, in place; on a GPU it is queued on the current stream.
  void add(const torch::Tensor& values, const char* what);
  /// Bytes of every rank, in rank order.
  std::vector<std::string> gather(const std::string& bytes, const char* what);
  /// Bytes of rank 0.
  std::string from_first(const std::string& bytes, const char* what);
  /// tensors <- those of rank 0.
  void copy_from_first(const std::vector<torch::Tensor>& tensors, const char* what);

  /// Runs what waits for work that needs other ranks.
  std::vector<double> watched(const char* what, const std::function<std::vector<double>()>& wait);

  /// Tells the others why this rank ends, so that they end too and say it.
  void report_failure(const std::string& reason) noexcept;
  /// Waits for all and takes the group down in order; collective.
  void finish();

  struct Group;
  Group* group() const { return group_.get(); }

 private:
  void join(c10::intrusive_ptr<c10d::Store> store, const std::string& address, torch::Device device, const DistributedConfig& config);

  int64_t rank_ = 0, size_ = 1;
  std::unique_ptr<Group> group_;
};

/// c10d's Reducer: while a backward pass runs, gradients that are complete are averaged over the ranks in buckets.
class GradientReducer {
 public:
  /// `parameters`: those that autograd gives gradients to in every backward pass, in the order of the forward pass. With one rank it does nothing.
  GradientReducer(Ranks& ranks, const NamedTensors& parameters, const DistributedConfig& config);
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;
  /// Runs a forward and backward pass that ends with averaged gradients in all ranks; passes outside of it, before it, only add to this rank's (accumulation).
  /// Returns what the pass does. Throws DeviceError where a rank is lost.
  torch::Tensor reduced(const std::function<torch::Tensor()>& pass);
  /// After the first one: rebuilds the buckets in the order in which gradients came. Once, while no gradient is defined; collective.
  void settle();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace liere
