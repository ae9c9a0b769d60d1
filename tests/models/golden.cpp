#include "golden.h"

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <stdexcept>

#include "core/safetensors.h"
#include "support/catch.h"
#include "support/fixtures.h"

namespace liere::test {

std::vector<int64_t> parse_sizes(const std::string& text) {
  std::vector<int64_t> sizes;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, 'x');) sizes.push_back(std::stoll(part));
  return sizes;
}

std::optional<Golden> Golden::open(const std::string& name) {
  const auto path = golden_folder() / (name + ".safetensors");
  if (!std::filesystem::exists(path)) {
    std::printf("skipped: %s is not there (LIERE_GOLDEN names the folder of golden numbers)\n", path.filename().c_str());
    return std::nullopt;
  }
  using safetensors::Dtype;
  static const std::map<Dtype, torch::Dtype> dtypes = {
      {Dtype::kF16, torch::kHalf}, {Dtype::kF32, torch::kFloat}, {Dtype::kF64, torch::kDouble}, {Dtype::kI64, torch::kLong}};
  const auto file = safetensors::File::open(path);
  Golden golden;
  golden.metadata_ = file.metadata();
  for (const auto& [key, info] : file.tensors()) {
    auto tensor = torch::empty(info.shape, dtypes.at(info.dtype));
    const auto bytes = file.data(key);
    REQUIRE(bytes.size() == tensor.nbytes());
    std::copy(bytes.begin(), bytes.end(), static_cast<std::byte*>(tensor.data_ptr()));
    golden.tensors_[key] = tensor;
  }
  return golden;
}

torch::Tensor Golden::tensor(const std::string& name, torch::Dtype dtype) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw std::runtime_error("the golden file has no tensor '" + name + "'");
  return found->second.is_floating_point() ? found->second.to(dtype) : found->second;
}

const std::string& Golden::metadata(const std::string& key) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) throw std::runtime_error("the golden file has no metadata '" + key + "'");
  return found->second;
}

std::vector<int64_t> Golden::sizes(const std::string& key) const { return parse_sizes(metadata(key)); }

std::vector<std::string> Golden::names(const std::string& prefix) const {
  std::vector<std::string> result;
  for (const auto& [name, tensor] : tensors_)
    if (name.starts_with(prefix)) result.push_back(name.substr(prefix.size()));
  return result;
}

Parity::~Parity() {
  std::printf("parity %-22s %-8s %4d tensors, worst error %.2e = %5.2f %% of its tolerance (%s)\n", file_.c_str(), exact() ? "float64" : "float32",
              count_, worst_error_, 100 * worst_share_, worst_what_.c_str());
}

void Parity::record(const std::string& what, double error, double tolerance) {
  ++count_;
  const double share = error == 0 ? 0 : error / tolerance;
  if (!(share <= worst_share_) || count_ == 1) {
    worst_share_ = share;
    worst_error_ = error;
    worst_what_ = what;
  }
  INFO(file_ << ' ' << what << ": error " << error << ", tolerance " << tolerance);
  CHECK(error <= tolerance);
}

namespace {
torch::Tensor difference(const torch::Tensor& actual, const torch::Tensor& expected) {
  REQUIRE(actual.sizes() == expected.sizes());
  return actual.detach().to(torch::kDouble) - expected.to(torch::kDouble);
}
double largest(const torch::Tensor& x) { return x.numel() ? x.abs().max().item<double>() : 0; }
}  // namespace

void Parity::near(const std::string& what, const torch::Tensor& actual, const torch::Tensor& expected, double float_tolerance) {
  record(what, largest(difference(actual, expected)), exact() ? 1e-9 * largest(expected) : float_tolerance);
}

void Parity::gradient(const std::string& what, const torch::Tensor& actual, const torch::Tensor& expected, double norm) {
  if (exact()) return near(what, actual, expected, 0);
  record(what, difference(actual, expected).norm().item<double>(), 1e-4 * norm);
}

void Parity::within(const std::string& what, const torch::Tensor& actual, const torch::Tensor& expected, double tolerance) {
  record(what, largest(difference(actual, expected)), tolerance);
}

torch::Tensor rotation_matrices(const Rotations& rotations) {
  if (rotations.kind == Rotations::Kind::kBlocks) return rotations.value;
  const auto c = rotations.value.select(-1, 0), s = rotations.value.select(-1, 1);
  return torch::stack({torch::stack({c, -s}, -1), torch::stack({s, c}, -1)}, -2);
}

std::map<std::string, torch::Tensor> weights_of(Vit& model) {
  std::map<std::string, torch::Tensor> weights;
  for (const auto& [name, tensor] : model->named_weights()) weights[name] = tensor;
  return weights;
}

void set_weight(Vit& model, const std::string& name, const torch::Tensor& value) {
  const torch::NoGradGuard no_grad;
  auto weights = weights_of(model);
  REQUIRE(weights.count(name) == 1);
  REQUIRE(weights[name].sizes() == value.sizes());
  weights[name].copy_(value);
}

Vit golden_model(const Golden& common, const PositionConfig& position, torch::Dtype dtype, Pool pool) {
  VitConfig config;
  config.preset = Preset::kCustom;
  config.input_size = common.sizes("image");
  config.patch = common.sizes("patch");
  config.width = common.number("width");
  config.depth = common.number("layers");
  config.heads = common.number("heads");
  config.mlp = common.number("mlp");
  config.pool = pool;
  config.position = position;
  config.resolve();
  Vit model(config, common.number("classes"));
  model->to(dtype);
  for (const auto& name : common.names("weight.")) set_weight(model, name, common.tensor("weight." + name));
  return model;
}

}  // namespace liere::test
