#include "golden.h"

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

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
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    std::printf("skipped: %s is not there (LIERE_GOLDEN names the folder of golden numbers)\n", (name + ".safetensors").c_str());
    return std::nullopt;
  }
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  uint64_t header_size;
  std::memcpy(&header_size, bytes.data(), sizeof header_size);
  const auto header = nlohmann::json::parse(bytes.substr(8, header_size));
  static const std::map<std::string, torch::Dtype> dtypes = {{"F16", torch::kHalf}, {"F32", torch::kFloat}, {"F64", torch::kDouble}, {"I64", torch::kLong}};
  Golden golden;
  for (const auto& [key, entry] : header.items()) {
    if (key == "__metadata__") {
      golden.metadata_ = entry.get<std::map<std::string, std::string>>();
      continue;
    }
    auto tensor = torch::empty(entry["shape"].get<std::vector<int64_t>>(), dtypes.at(entry["dtype"]));
    const auto offsets = entry["data_offsets"].get<std::vector<uint64_t>>();
    if (offsets[1] - offsets[0] != tensor.nbytes() || 8 + header_size + offsets[1] > bytes.size()) throw std::runtime_error(name + ": " + key + " has a wrong size");
    if (tensor.nbytes()) std::memcpy(tensor.data_ptr(), bytes.data() + 8 + header_size + offsets[0], tensor.nbytes());
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
  std::printf("parity %-22s %-8s %4d tensors, worst error %.2e = %5.2f %% of its tolerance (%s)\n", file_.c_str(), exact() ? "float64" : "float32", count_, worst_error_,
              100 * worst_share_, worst_what_.c_str());
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
