#include "core/checkpoint_format.h"

#include <xxhash.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/log.h"

namespace liere {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kDigestLength = 16;

/// Where the header's own digest stands in the header, after `"xxh3.header":"`.
size_t header_digest_position(const std::string& header) {
  const std::string key = std::string("\"") + kHeaderDigestKey + "\":\"";
  const auto at = header.find(key);
  return at == std::string::npos ? at : at + key.size();
}

}  // namespace

std::string hex_digest(const void* data, size_t size) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(XXH3_64bits(data, size)));
  return text;
}

std::string with_header_digest(std::string header) {
  const auto digest = hex_digest(header.data(), header.size());
  return header.replace(header_digest_position(header), digest.size(), digest);
}

void verify_checkpoint(const safetensors::File& file, const fs::path& path) {
  const auto& metadata = file.metadata();
  if (const auto format = metadata.find("format"); format == metadata.end() || format->second != kCheckpointFormat)
    throw CheckpointError(path.string() + ": expected a checkpoint of format " + kCheckpointFormat + ", found " +
                          (format == metadata.end() ? "no format entry" : "'" + format->second + "'") +
                          ". Only files written by liere-train can be resumed or evaluated.");
  const auto stored = file.header_bytes();
  std::string header(reinterpret_cast<const char*>(stored.data()), stored.size());
  const auto at = header_digest_position(header);
  if (at == std::string::npos || at + kDigestLength > header.size())
    throw CheckpointError(path.string() + ": the header's digest is missing. The file is damaged; use another checkpoint.");
  const auto expected = header.substr(at, kDigestLength);
  header.replace(at, kDigestLength, kNoDigest);
  if (hex_digest(header.data(), header.size()) != expected)
    throw CheckpointError(path.string() + ": the header's digest does not match. The file is damaged; use another checkpoint.");
  const auto listed = metadata.find("xxh3");
  const auto digests = json::parse(listed == metadata.end() ? "" : listed->second, nullptr, /*allow_exceptions=*/false);
  for (const auto& [name, tensor] : file.tensors()) {
    const auto data = file.data(name);
    if (!digests.contains(name) || digests.at(name) != hex_digest(data.data(), data.size()))
      throw CheckpointError(path.string() + ": the digest of tensor '" + name + "' does not match. The file is damaged; use another checkpoint.");
  }
}

std::vector<fs::path> list_checkpoints(const fs::path& run) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run / "checkpoints", error)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with("step-") && name.ends_with(".safetensors")) paths.push_back(entry.path());
  }
  std::sort(paths.rbegin(), paths.rend());
  return paths;
}

std::optional<fs::path> newest_valid_checkpoint(const fs::path& run) {
  const auto paths = list_checkpoints(run);
  for (const auto& path : paths) {
    try {
      verify_checkpoint(safetensors::File::open(path), path);
      if (path != paths.front()) log_warning("using " + path.string() + " instead of " + paths.front().string() + ".");
      return path;
    } catch (const CheckpointError& error) {
      log_warning(error.what());
    }
  }
  if (paths.empty()) return std::nullopt;
  throw CheckpointError("none of the " + std::to_string(paths.size()) + " checkpoints in " + (run / "checkpoints").string() +
                        " is usable (see the warnings above). Restore one from a backup, or start anew with --force.");
}

}  // namespace liere
