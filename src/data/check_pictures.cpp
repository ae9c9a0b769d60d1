#include "data/check_pictures.h"

#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/signals.h"

namespace liere {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;
constexpr int64_t kPicturesPerWorker = 64;  // of a round; between rounds everything before the next sample is done
constexpr auto kNotePeriod = std::chrono::seconds(20);

struct Progress {
  int64_t done = 0;
  std::vector<BadPicture> bad;
};

Progress read_state(const fs::path& path, const Dataset& dataset) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return {};
  try {
    const Json json = Json::parse(read_file(path, uint64_t(1) << 30));
    if (json.at("description") != dataset.describe()) return {};
    Progress progress{json.at("done").get<int64_t>(), {}};
    for (const auto& bad : json.at("bad")) progress.bad.push_back({bad.at("index").get<int64_t>(), bad.at("reason").get<std::string>()});
    if (progress.done < 0 || progress.done > dataset.size()) return {};
    log_info("Going on behind picture " + format_count(progress.done) + ", as " + path.string() + " says (remove it to begin anew).");
    return progress;
  } catch (const Json::exception&) {
    return {};  // of another program: begin anew
  }
}

void write_state(const fs::path& path, const Dataset& dataset, const Progress& progress) {
  Json json = {{"description", dataset.describe()}, {"done", progress.done}, {"bad", Json::array()}};
  for (const auto& bad : progress.bad) json["bad"].push_back({{"index", bad.index}, {"reason", bad.reason}});
  if (path.has_parent_path()) fs::create_directories(path.parent_path());
  write_file_atomically(path, json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace

std::vector<BadPicture> check_pictures(const Dataset& dataset, const fs::path& state, int64_t workers) {
  Progress progress = read_state(state, dataset);
  ProgressLine line("decoding", dataset.size(), progress.done);
  std::mutex mutex;
  auto noted = std::chrono::steady_clock::now();
  const auto start = noted;
  const int64_t first = progress.done;
  while (progress.done < dataset.size()) {
    if (stop_requested()) {
      line.finish();
      write_state(state, dataset, progress);
      throw Error(ExitCode::kStoppedEarly, std::string("Stopped by ") + stop_signal_name() + " behind picture " + format_count(progress.done) + " of " + format_count(dataset.size()) +
                                               ", noted in " + state.string() + "; run the same command again to go on.");
    }
    const int64_t begin = progress.done, count = std::min(workers * kPicturesPerWorker, dataset.size() - begin);
    std::vector<BadPicture> bad;
    parallel_for(count, workers, [&](int64_t i) {
      try {
        dataset.open(begin + i)->check();
      } catch (const DataError& error) {
        const std::lock_guard lock(mutex);
        bad.push_back({begin + i, error.what()});
      }
    });
    std::sort(bad.begin(), bad.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
    progress.bad.insert(progress.bad.end(), bad.begin(), bad.end());
    progress.done += count;
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - start).count();
    line.update(progress.done, format_count(static_cast<int64_t>(static_cast<double>(progress.done - first) / std::max(seconds, 1e-3))) + " pictures/s, " +
                                   format_count(static_cast<int64_t>(progress.bad.size())) + " bad");
    if (now - noted > kNotePeriod) write_state(state, dataset, progress), noted = now;
  }
  line.finish();
  write_state(state, dataset, progress);
  return progress.bad;
}

fs::path check_state_path(const std::string& json, const std::string& description) {
  char digest[17];
  std::snprintf(digest, sizeof digest, "%016llx", static_cast<unsigned long long>(XXH64(description.data(), description.size(), 0)));
  const std::string name = std::string("verify-") + digest + ".state";
  const fs::path report(json);
  if (!json.empty() && !json.starts_with("/dev/")) return (report.has_parent_path() ? report.parent_path() : fs::path(".")) / name;
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache) return fs::path(cache) / "liere" / name;
  if (const char* home = std::getenv("HOME"); home && *home) return fs::path(home) / ".cache/liere" / name;
  return fs::temp_directory_path() / name;
}

}  // namespace liere
