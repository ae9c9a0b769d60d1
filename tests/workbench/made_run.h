// Run folders with a checkpoint as liere-train writes it, as far as the workbench reads it: made weights, a short configuration.
#pragma once

#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/checkpoint_format.h"
#include "core/rng.h"
#include "core/safetensors.h"

namespace liere::test {

struct MadeRun {
  std::vector<int64_t> grid = {5, 4};
  int64_t depth = 2, heads = 2, head_dim = 8;
  std::string position = "{kind: none}", format = kCheckpointFormat, extra;  // extra: further lines of the configuration's model
  std::map<std::string, std::pair<std::vector<int64_t>, std::vector<float>>> tensors;

  int64_t width() const { return heads * head_dim; }

  static std::vector<float> normals(int64_t n, uint64_t seed) {
    std::vector<float> out(static_cast<size_t>(n));
    fill_normal(stream_key(seed, Purpose::kParameter), out.data(), n, 0, 1);
    return out;
  }

  void put(const std::string& name, const std::vector<int64_t>& shape, std::vector<float> values = {}, uint64_t seed = 1) {
    int64_t n = 1;
    for (const int64_t side : shape) n *= side;
    tensors[name] = {shape, values.empty() ? normals(n, seed + tensors.size()) : std::move(values)};
  }

  void put_blocks() {
    for (int64_t i = 0; i < depth; ++i) {
      const std::string block = "block." + std::to_string(i) + ".";
      put(block + "norm1.weight", {width()});
      put(block + "norm1.bias", {width()});
      put(block + "attention.qkv.weight", {3 * width(), width()});
    }
  }

  std::string config() const {
    const auto list = [](const std::vector<int64_t>& values, int64_t factor) {
      std::string text;
      for (const int64_t v : values) text += (text.empty() ? "" : ", ") + std::to_string(v * factor);
      return "[" + text + "]";
    };
    return "seed: 3\ninit: {checkpoint: null}\nmodel:\n  preset: custom\n  width: " + std::to_string(width()) +
           "\n  depth: " + std::to_string(depth) + "\n  heads: " + std::to_string(heads) + "\n  mlp: 8\n  input_size: " + list(grid, 4) +
           "\n  patch: " + list(std::vector<int64_t>(grid.size(), 4), 1) + "\n  position: " + position + "\n" + extra;
  }

  /// FOLDER/checkpoints/step-00000010.safetensors; returns FOLDER.
  std::filesystem::path write(const std::filesystem::path& folder) const {
    std::vector<safetensors::TensorView> views;
    nlohmann::json digests = nlohmann::json::object();
    for (const auto& [name, tensor] : tensors) {
      const auto bytes = std::as_bytes(std::span(tensor.second));
      views.push_back({name, safetensors::Dtype::kF32, tensor.first, bytes});
      digests[name] = hex_digest(bytes.data(), bytes.size());
    }
    const std::map<std::string, std::string> metadata = {
        {"format", format}, {"step", "10"}, {"config", config()}, {"xxh3", digests.dump()}, {kHeaderDigestKey, kNoDigest}};
    std::filesystem::create_directories(folder / "checkpoints");
    safetensors::write(folder / "checkpoints" / "step-00000010.safetensors", with_header_digest(safetensors::header(views, metadata)), views);
    return folder;
  }
};

/// A run of depth 2, 2 heads of 8 channels on 5x4 tokens with learned generators in blocks of b.
inline MadeRun generator_run(int64_t b, const std::string& kind, std::vector<float> generators = {}) {
  MadeRun run;
  run.position = kind == "liere" ? "{kind: liere, block_size: " + std::to_string(b) + "}" : "{kind: " + kind + "}";
  run.put_blocks();
  run.put("generators", {static_cast<int64_t>(run.grid.size()), run.depth, run.heads, run.head_dim / b, b * (b - 1) / 2}, std::move(generators), 50);
  return run;
}

}  // namespace liere::test
