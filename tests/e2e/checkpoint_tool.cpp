// For the scripts that break things: looks at checkpoints and makes them without LibTorch, so that thousands of processes start in milliseconds.
//   digest FILE...        verifies; SHA-256 of tensors and metadata without what depends on the clock and the folder's name (seconds, metric offsets, output)
//   newest RUN            the newest valid checkpoint; exit 4 when there is none
//   verify RUN            every checkpoint and best.safetensors must be valid: prints "N valid, M bad"; exit 4 when M > 0 or N = 0
//   save RUN STEP [keep]  locks RUN and publishes a checkpoint of 16 tensors as liere-train does, as the best one when STEP is odd
#include <sys/stat.h>

#include <cstdio>
#include <cstring>
#include <csignal>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/log.h"
#include "support/sha256.h"
#include "train/checkpoint_file.h"
#include "train/folder_lock.h"

using namespace liere;
namespace fs = std::filesystem;

namespace {

std::string without_line(const std::string& text, const std::string& start) {
  std::istringstream lines(text);
  std::string kept;
  for (std::string line; std::getline(lines, line);)
    if (!line.starts_with(start)) kept += line + "\n";
  return kept;
}

void digest(const fs::path& path) {
  const auto file = safetensors::File::open(path);
  verify_checkpoint(file, path);
  std::string all;
  for (auto [key, value] : file.metadata()) {
    if (key == "seconds" || key == "metric_offsets" || key == "xxh3.header") continue;
    if (key == "config") value = without_line(value, "output:");
    all += key + "=" + value + "\n";
  }
  for (const auto& [name, info] : file.tensors()) {
    const auto data = file.data(name);
    all += name + std::string(safetensors::name_of(info.dtype)) + std::string(reinterpret_cast<const char*>(data.data()), data.size());
  }
  const auto sum = test::sha256(reinterpret_cast<const uint8_t*>(all.data()), all.size());
  for (const auto byte : sum) std::printf("%02x", byte);
  std::printf("  %s\n", path.c_str());
}

int verify(const fs::path& run) {
  int valid = 0, bad = 0;
  auto paths = list_checkpoints(run);
  if (fs::exists(best_checkpoint_path(run))) paths.push_back(best_checkpoint_path(run));
  for (const auto& path : paths) {
    try {
      read_checkpoint_info(path);
      ++valid;
    } catch (const CheckpointError& error) {
      std::fprintf(stderr, "%s\n", error.what());
      ++bad;
    }
  }
  std::printf("%d valid, %d bad\n", valid, bad);
  return bad > 0 || valid == 0 ? 4 : 0;
}

int save(const fs::path& run, int64_t step, int64_t keep) {
  std::signal(SIGXFSZ, SIG_IGN);
  std::vector<std::vector<float>> values(16, std::vector<float>(4096, static_cast<float>(step)));
  std::vector<safetensors::TensorView> tensors;
  for (size_t i = 0; i < values.size(); ++i)
    tensors.push_back({"block." + std::to_string(i) + ".weight", safetensors::Dtype::kF32, {64, 64}, std::as_bytes(std::span(values[i]))});
  CheckpointInfo info;
  info.state.step = step;
  info.state.metric_offsets = {{"metrics.jsonl", 0}};
  info.config = "output: x\n";
  fs::create_directories(run);
  const FolderLock lock(run);
  publish_checkpoint(run, tensors, info, step % 2 == 1, keep, &lock);
  return 0;
}

int run(const std::vector<std::string>& words) {
  const std::string command = words.empty() ? "" : words[0];
  if (command == "digest" && words.size() > 1) {
    for (size_t i = 1; i < words.size(); ++i) digest(words[i]);
    return 0;
  }
  if (command == "newest" && words.size() == 2) {
    const auto path = newest_valid_checkpoint(words[1]);
    if (!path) throw CheckpointError("there is no checkpoint in " + words[1] + ".");
    std::printf("%s\n", path->c_str());
    return 0;
  }
  if (command == "verify" && words.size() == 2) return verify(words[1]);
  if (command == "save" && words.size() >= 3) return save(words[1], std::stoll(words[2]), words.size() > 3 ? std::stoll(words[3]) : 2);
  throw ConfigError("expected digest FILE..., newest RUN, verify RUN or save RUN STEP [KEEP].");
}

}  // namespace

int main(int argc, char** argv) {
  return run_command([&] { return run({argv + 1, argv + argc}); });
}
