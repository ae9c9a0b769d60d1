#include "train/distributed.h"

#include <c10/util/Logging.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/comm.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include "core/check.h"
#include "core/log.h"
#include "core/machine.h"
#include "train/distributed_backend.h"
#include "train/distributed_meeting.h"
#include "train/pulse.h"

namespace liere {
namespace {

using std::chrono::milliseconds;

constexpr const char* kLoopback = "127.0.0.1";
constexpr int kFatal = 3;  // of c10's levels of logging

milliseconds seconds(double value) { return milliseconds(std::llround(1e3 * value)); }

std::string text_of(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }
std::vector<uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

bool uses_nccl(const DistributedConfig& config, torch::Device device) {
  if (config.backend == DistributedBackend::kGloo) return false;
  if (config.backend == DistributedBackend::kNccl && !device.is_cuda())
    throw ConfigError(
        "distributed.backend is nccl, which needs a GPU for each rank, but this run uses the CPU. Use distributed.backend=gloo (or auto).");
  if (config.backend == DistributedBackend::kNccl && config.share_device)
    throw ConfigError("distributed.share_device lets ranks share a GPU, which NCCL refuses. Use distributed.backend=gloo with it.");
  return device.is_cuda() && !config.share_device && (config.backend == DistributedBackend::kNccl || has_nccl());
}

/// `address`: this machine's, by which the others reach it; empty: its name's. GLOO_SOCKET_IFNAME names an interface instead.
c10::intrusive_ptr<c10d::Backend> make_gloo_backend(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size, const std::string& address,
                                                    milliseconds timeout) {
  auto options = c10d::ProcessGroupGloo::Options::create(timeout);
  const char* const interface = std::getenv("GLOO_SOCKET_IFNAME");
  options->devices.push_back(interface          ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
                             : !address.empty() ? c10d::ProcessGroupGloo::createDeviceForHostname(address)
                                                : c10d::ProcessGroupGloo::createDefaultDevice());
  return c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
}

/// Of c10d or Gloo, which has no type of its own here; not of the pass that the reduction belongs to.
bool is_communication_error(const std::exception& error) {
  return dynamic_cast<const c10::DistError*>(&error) != nullptr || std::string(error.what()).find("gloo") != std::string::npos;
}

/// NCCL's own word for two ranks on one GPU is "invalid usage".
void require_own_devices(c10d::Store& store, int rank, int size, torch::Device device) {
  const auto key = [](int r) { return "device/" + std::to_string(r); };
  const auto ours = host_name() + ", " + device_identity(device);
  store.set(key(rank), bytes_of(ours));
  for (int other = 0; other < size; ++other)
    if (other != rank && text_of(store.get(key(other))) == ours)
      throw DeviceError("ranks " + std::to_string(std::min(rank, other)) + " and " + std::to_string(std::max(rank, other)) +
                        " would use the same GPU (" + ours +
                        "). Start at most as many ranks on a machine as it has GPUs, or let them share one with distributed.share_device=true.");
}

}  // namespace

struct Ranks::Group {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroup> processes;
  c10::intrusive_ptr<c10d::Backend> nccl;  // null over Gloo
  std::unique_ptr<Pulse> pulse;
  torch::Device device = torch::kCPU;
  bool finished = false;

  /// Runs a collective; what c10d throws becomes one sentence that says who is missing.
  template <class F>
  auto guarded(
      const char* what, F&& collective, bool (*concerns)(const std::exception&) = [](const std::exception&) { return true; }) {
    pulse->enter(what);
    try {
      if constexpr (std::is_void_v<decltype(collective())>) {
        collective();
        pulse->leave();
      } else {
        auto result = collective();
        pulse->leave();
        return result;
      }
    } catch (const std::exception& error) {
      if (concerns(error)) throw DeviceError(pulse->explain(plain_cause(error.what())));
      pulse->leave();
      throw;
    }
  }
};

Ranks::Ranks() = default;

Ranks::Ranks(const Place& place, torch::Device device, const DistributedConfig& config) : rank_(place.rank), size_(place.size) {
  if (size_ == 1 && config.backend == DistributedBackend::kAuto) return;
  if (size_ == 1) {
    join(c10::make_intrusive<c10d::HashStore>(), kLoopback, device, config);
    return;
  }
  // c10d tells of a lost peer with a stack trace, beside the exception that becomes one sentence here.
  if (!std::getenv("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = kFatal;
  const auto meeting = meet(place);
  try {
    join(meeting.store, meeting.address, device, config);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw DeviceError(name() + " met the others at " + place.host + ":" + std::to_string(place.port) + " but could not connect to them from " +
                      (meeting.address.empty() ? "its address" : meeting.address) + ": " + plain_cause(error.what()) +
                      ". Check that ranks reach each other on every port, or name the interface with GLOO_SOCKET_IFNAME.");
  }
}

Ranks::Ranks(int64_t rank, int64_t size, c10::intrusive_ptr<c10d::Store> store, torch::Device device, const DistributedConfig& config)
    : rank_(rank), size_(size) {
  if (size_ > 1) join(std::move(store), kLoopback, device, config);
}

void Ranks::join(c10::intrusive_ptr<c10d::Store> store, const std::string& address, torch::Device device, const DistributedConfig& config) {
  group_ = std::make_unique<Group>();
  auto& group = *group_;
  group.store = std::move(store);
  group.device = device;
  const int rank = static_cast<int>(rank_), size = static_cast<int>(size_);
  const auto timeout = seconds(config.timeout);
  group.pulse = std::make_unique<Pulse>(group.store, rank, size, config.timeout);
  group.processes = c10::make_intrusive<c10d::ProcessGroup>(c10::make_intrusive<c10d::PrefixStore>("group", group.store), rank, size);
  group.pulse->enter(Pulse::kConnecting);
  const auto gloo = make_gloo_backend(c10::make_intrusive<c10d::PrefixStore>("gloo", group.store), rank, size, address, timeout);
  group.processes->setBackend(at::kCPU, c10d::ProcessGroup::BackendType::GLOO, gloo);
  if (uses_nccl(config, device)) {
    require_own_devices(*group.store, rank, size, device);
    group.nccl = make_nccl_backend(c10::make_intrusive<c10d::PrefixStore>("nccl", group.store), rank, size, device, timeout);
    group.processes->setBoundDeviceId(device);
    group.processes->setBackend(at::kCUDA, c10d::ProcessGroup::BackendType::NCCL, group.nccl);
    group.processes->setDefaultBackend(c10d::ProcessGroup::BackendType::NCCL);
  } else {
    if (device.is_cuda()) group.processes->setBackend(at::kCUDA, c10d::ProcessGroup::BackendType::GLOO, gloo);
    group.processes->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
  }
  group.pulse->leave();
  group.processes->setGroupName("run");
  if (is_first()) log_info("ranks: " + std::to_string(size_) + ", gradients over " + (group.nccl ? "NCCL" : "Gloo"));
}

Ranks::~Ranks() {
  if (!group_) return;
  group_->pulse.reset();
  try {
    if (!group_->finished && group_->nccl) group_->nccl->abort();
  } catch (const std::exception&) {  // it is being given up anyway
  }
}

std::string Ranks::name() const { return "rank " + std::to_string(rank_) + " of " + std::to_string(size_) + " on " + host_name(); }

void Ranks::set_step(int64_t step) {
  if (group_) group_->pulse->set_step(step);
}

void Ranks::report_failure(const std::string& reason) noexcept {
  if (group_) group_->pulse->report_failure(reason);
}

void Ranks::require_same(const std::vector<std::pair<std::string, std::string>>& facts) {
  if (is_alone()) return;
  auto& store = *group_->store;
  const auto key = [](const std::string& fact, int64_t rank) { return "fact/" + fact + "/" + std::to_string(rank); };
  for (const auto& [fact, text] : facts) store.set(key(fact, rank_), bytes_of(text));
  // Some may take long to open their data.
  const auto all = group_->guarded(Pulse::kComparing, [&] {
    std::vector<std::vector<std::string>> texts;
    for (const auto& [fact, text] : facts) {
      auto& of_ranks = texts.emplace_back();
      for (int64_t rank = 0; rank < size_; ++rank) {
        while (!store.check({key(fact, rank)})) std::this_thread::sleep_for(milliseconds(10));
        of_ranks.push_back(text_of(store.get(key(fact, rank))));
      }
    }
    return texts;
  });
  for (size_t f = 0; f < facts.size(); ++f) {
    const auto& [fact, text] = facts[f];
    for (int64_t other = 0; other < size_; ++other) {
      const auto& theirs = all[f][static_cast<size_t>(other)];
      if (theirs == text) continue;
      // The first line that differs.
      std::istringstream a(text), b(theirs);
      std::string ours_line, their_line;
      bool more_a = true, more_b = true;
      while ((more_a = static_cast<bool>(std::getline(a, ours_line)), more_b = static_cast<bool>(std::getline(b, their_line)), more_a && more_b) &&
             ours_line == their_line) {
      }
      // Rank 0 serves what the others still read: it leaves last.
      store.add("compared", 1);
      for (int wait = 0; is_first() && store.add("compared", 0) < size_ && wait < 1000; ++wait) std::this_thread::sleep_for(milliseconds(2));
      throw ConfigError("the ranks of a run must agree, but their " + fact + " differs: rank " + std::to_string(rank_) + " has '" +
                        (more_a ? ours_line : "") + "', rank " + std::to_string(other) + " has '" + (more_b ? their_line : "") +
                        "'. Start all ranks from the same program, configuration and data.");
    }
  }
}

void Ranks::add(const torch::Tensor& values, const char* what) {
  if (is_alone()) return;
  std::vector<torch::Tensor> tensors{values};
  group_->guarded(what, [&] { group_->processes->allreduce(tensors)->wait(); });
}

std::vector<double> Ranks::watched(const char* what, const std::function<std::vector<double>()>& wait) {
  return is_alone() ? wait() : group_->guarded(what, wait, is_communication_error);
}

std::vector<std::string> Ranks::gather(const std::string& bytes, const char* what) {
  if (is_alone()) return {bytes};
  return group_->guarded(what, [&] {
    const auto longs = torch::TensorOptions().dtype(torch::kInt64);
    std::vector<torch::Tensor> length{torch::full({1}, static_cast<int64_t>(bytes.size()), longs)};
    std::vector<std::vector<torch::Tensor>> lengths(1);
    for (int64_t r = 0; r < size_; ++r) lengths[0].push_back(torch::empty({1}, longs));
    group_->processes->allgather(lengths, length)->wait();
    int64_t longest = 1;
    for (const auto& l : lengths[0]) longest = std::max(longest, l.item<int64_t>());
    std::vector<torch::Tensor> mine{torch::zeros({longest}, torch::kUInt8)};
    std::copy(bytes.begin(), bytes.end(), mine[0].data_ptr<uint8_t>());
    std::vector<std::vector<torch::Tensor>> all(1);
    for (int64_t r = 0; r < size_; ++r) all[0].push_back(torch::empty({longest}, torch::kUInt8));
    group_->processes->allgather(all, mine)->wait();
    std::vector<std::string> result;
    for (int64_t r = 0; r < size_; ++r)
      result.emplace_back(reinterpret_cast<const char*>(all[0][static_cast<size_t>(r)].const_data_ptr<uint8_t>()),
                          static_cast<size_t>(lengths[0][static_cast<size_t>(r)].item<int64_t>()));
    return result;
  });
}

std::string Ranks::from_first(const std::string& bytes, const char* what) { return gather(is_first() ? bytes : std::string(), what).front(); }

void Ranks::copy_from_first(const std::vector<torch::Tensor>& tensors, const char* what) {
  if (is_alone()) return;
  const torch::NoGradGuard no_grad;
  group_->guarded(what, [&] {
    std::vector<torch::Tensor> plain;
    for (const auto& tensor : tensors) plain.push_back(tensor.detach());
    c10d::broadcast_coalesced(group_->processes, plain, size_t(64) << 20, /*rank=*/0);
  });
}

void Ranks::finish() {
  if (!group_ || group_->finished) return;
  gather("", "the end of the run");
  if (group_->device.is_cuda()) torch::cuda::synchronize(group_->device.index());
  group_->finished = true;
  group_->pulse.reset();
  // Rank 0 serves the store: it leaves last.
  group_->store->add("left", 1);
  if (is_first())
    for (const auto until = std::chrono::steady_clock::now() + seconds(5);
         group_->store->add("left", 0) < size_ && std::chrono::steady_clock::now() < until;)
      std::this_thread::sleep_for(milliseconds(2));
  if (group_->nccl) group_->nccl->shutdown();
}

namespace {

/// Rounds a bucket to bfloat16 before it is added; the mean is taken before that, so that nothing overflows.
struct Bf16Hook : c10d::CppCommHookInterface<c10::intrusive_ptr<c10d::ProcessGroup>> {
  using CppCommHookInterface::CppCommHookInterface;
  c10::intrusive_ptr<c10::ivalue::Future> runHook(c10d::GradBucket& bucket) override {
    auto out = bucket.getBufferRef();
    std::vector<at::Tensor> rounded{out.to(at::kBFloat16).div_(state_->getSize())};
    auto future = state_->allreduce(rounded)->getFuture();
    return future->then(
        [out](c10::ivalue::Future& done) {
          out.copy_(c10d::detail::parseCppCommHookResult(done.value()));
          return c10::IValue(out);
        },
        future->elementType());
  }
};

/// c10d's constructor has grown over the versions.
template <class R = c10d::Reducer, class... Args>
std::shared_ptr<R> make_reducer(Args... args) {
  using Caps = std::vector<int64_t>;
  if constexpr (std::is_constructible_v<R, Args..., bool, bool, Caps>)
    return std::make_shared<R>(args..., false, false, Caps{});
  else
    return std::make_shared<R>(args..., false, false);
}

}  // namespace

struct GradientReducer::State {
  Ranks& ranks;
  std::shared_ptr<c10d::Reducer> reducer;
};

GradientReducer::GradientReducer(Ranks& ranks, const NamedTensors& parameters, const DistributedConfig& config) {
  if (ranks.is_alone()) return;
  std::vector<torch::Tensor> tensors;
  std::unordered_map<size_t, std::string> names;
  for (const auto& [name, tensor] : parameters) {
    names[tensors.size()] = name;
    tensors.push_back(tensor);
  }
  const std::vector<bool> sparse(tensors.size(), false);
  const auto cap = static_cast<int64_t>(config.bucket_mib * (1 << 20)), first = std::min<int64_t>(cap, 1 << 20);
  auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(tensors, {static_cast<size_t>(first), static_cast<size_t>(cap)}, sparse));
  std::reverse(buckets.begin(), buckets.end());
  auto processes = ranks.group()->processes;
  auto reducer =
      make_reducer(tensors, buckets, processes, sparse, cap, /*find_unused_parameters=*/false, /*gradient_as_bucket_view=*/true, names, first);
  if (config.compression == GradientCompression::kBf16) reducer->register_comm_hook(std::make_unique<Bf16Hook>(processes));
  state_ = std::make_unique<State>(State{ranks, std::move(reducer)});
}

GradientReducer::~GradientReducer() {
  if (state_) state_->reducer->remove_autograd_hooks();
}

torch::Tensor GradientReducer::reduced(const std::function<torch::Tensor()>& pass) {
  if (!state_) return pass();
  state_->reducer->prepare_for_forward();
  state_->reducer->prepare_for_backward({});
  return state_->ranks.group()->guarded("the gradients", pass, is_communication_error);
}

void GradientReducer::settle() {
  if (state_) state_->ranks.group()->guarded("the buckets of gradients", [&] { state_->reducer->rebuild_buckets(); });
}

}  // namespace liere
