#include "data/prepare/archive_sum.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"
#include "core/signals.h"
#include "data/md5.h"

namespace liere {
namespace {

using Json = nlohmann::ordered_json;
constexpr size_t kPiece = size_t(8) << 20;
constexpr auto kNotePeriod = std::chrono::seconds(20);

/// What an unreadable or older state file says does not matter: then the archive is read from its beginning.
Json read_state(const std::filesystem::path& state) {
  std::error_code ignored;
  if (!std::filesystem::exists(state, ignored)) return Json::object();
  Json json = Json::parse(read_file(state, 1 << 20), nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : Json::object();
}

struct Found {
  uint64_t bytes = 0;
  std::string md5;  // of the whole archive, when it is known
  Md5 sum;
};

Found find_entry(const Json& state, const std::string& key, const struct stat& status) {
  Found found;
  const auto entry = state.find(key);
  if (entry == state.end() || !entry->is_object()) return found;
  try {
    if (entry->at("size") != status.st_size || entry->at("modified_s") != status.st_mtim.tv_sec || entry->at("modified_ns") != status.st_mtim.tv_nsec) return found;
    if (entry->contains("md5")) found.md5 = entry->at("md5").get<std::string>();
    const auto bytes = entry->at("bytes").get<uint64_t>();
    if (bytes > static_cast<uint64_t>(status.st_size) || bytes % Md5::kBlock != 0) return found;
    found.sum = Md5(entry->at("state").get<Md5::State>(), bytes);
    found.bytes = bytes;
  } catch (const Json::exception&) {
    return Found();
  }
  return found;
}

}  // namespace

void stop_if_asked(const std::string& what, const std::string& how_to_go_on) {
  if (stop_requested()) throw Error(ExitCode::kStoppedEarly, std::string("Stopped by ") + stop_signal_name() + " " + what + "; " + how_to_go_on + ".");
}

std::string archive_md5(const std::filesystem::path& archive, const std::filesystem::path& state_path) {
  const auto cannot = [&] { return DataError("cannot read " + archive.string() + ": " + std::strerror(errno) + "."); };
  struct Close {
    int file;
    ~Close() { ::close(file); }
  };
  const int file = ::open(archive.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw cannot();
  const Close closer{file};
  struct stat status = {};
  if (::fstat(file, &status) != 0) throw cannot();
  const std::string key = std::filesystem::absolute(archive).lexically_normal().string();
  Json state = read_state(state_path);
  Found found = find_entry(state, key, status);
  if (!found.md5.empty()) return found.md5;

  const auto note = [&](const std::string& md5) {
    state[key] = {{"size", status.st_size}, {"modified_s", status.st_mtim.tv_sec}, {"modified_ns", status.st_mtim.tv_nsec}, {"bytes", found.sum.bytes()}, {"state", found.sum.state()}};
    if (!md5.empty()) state[key]["md5"] = md5;
    write_file_atomically(state_path, state.dump(1) + "\n");
  };
  ProgressLine progress("MD5 of " + archive.filename().string(), static_cast<int64_t>(status.st_size), static_cast<int64_t>(found.bytes));
  ::posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL);
  std::vector<char> piece(kPiece);
  const auto start = std::chrono::steady_clock::now();
  auto noted = start;
  const uint64_t first = found.bytes;
  for (uint64_t at = first;;) {
    const ssize_t got = ::pread(file, piece.data(), piece.size(), static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw cannot();
    const auto bytes = static_cast<size_t>(got), whole = bytes / Md5::kBlock * Md5::kBlock;
    if (bytes == 0 || (at + bytes >= static_cast<uint64_t>(status.st_size))) {
      if (at + bytes != static_cast<uint64_t>(status.st_size)) throw DataError(archive.string() + " changed its size while it was read; wait until it is complete.");
      const std::string md5 = found.sum.finish({piece.data(), bytes});
      progress.update(status.st_size, "");
      progress.finish();
      note(md5);
      return md5;
    }
    found.sum.add_blocks({piece.data(), whole});
    at += whole;
    const auto now = std::chrono::steady_clock::now();
    if (stop_requested() || now - noted > kNotePeriod) note(""), noted = now;
    progress.update(static_cast<int64_t>(at), format_bytes(static_cast<double>(at - first) / std::max(1e-3, std::chrono::duration<double>(now - start).count())) + "/s");
    if (stop_requested()) progress.finish();
    stop_if_asked("while " + archive.filename().string() + " was checked", "run the same command again to go on at byte " + format_count(static_cast<int64_t>(at)));
  }
}

}  // namespace liere
