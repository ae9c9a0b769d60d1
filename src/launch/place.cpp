#include "launch/place.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "core/check.h"

namespace liere {
namespace {

constexpr size_t kMostHosts = 100000;

int64_t number_in(const std::string& name, const std::string& text, int64_t low, int64_t high) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high)
    throw ConfigError("The environment variable " + name + " is '" + text.substr(0, 60) + "', expected a number from " + std::to_string(low) +
                      " to " + std::to_string(high) + ".");
  return value;
}

/// The variables of one launcher.
class Variables {
 public:
  Variables(const Environment& environment, std::string launcher) : environment_(environment), launcher_(std::move(launcher)) {}
  std::string text(const std::string& name) const {
    if (auto value = environment_(name); value && !value->empty()) return *value;
    throw ConfigError("The environment is that of " + launcher_ + ", but its variable " + name + " is not set. Start all processes by " + launcher_ +
                      ", or unset its other variables to run one process.");
  }
  bool has(const std::string& name) const {
    const auto value = environment_(name);
    return value && !value->empty();
  }
  int64_t number(const std::string& name, int64_t low, int64_t high) const { return number_in(name, text(name), low, high); }
  int64_t number_or(const std::string& name, int64_t low, int64_t high, int64_t otherwise) const {
    const auto value = environment_(name);
    return value && !value->empty() ? number_in(name, *value, low, high) : otherwise;
  }

 private:
  const Environment& environment_;
  std::string launcher_;
};

constexpr int64_t kMostRanks = 1 << 20;

void describe(Place& place, const std::string& launcher) {
  place.source = "rank " + std::to_string(place.rank) + " of " + std::to_string(place.size) + " (" + launcher + "; they meet at " + place.host + ":" +
                 std::to_string(place.port) + ")";
}

Place place_of_own(const Variables& variables) {
  Place place;
  place.size = place.local_size = variables.number("LIERE_RANKS", 1, kMostRanks);
  place.rank = place.local_rank = variables.number("LIERE_RANK", 0, place.size - 1);
  place.port = static_cast<uint16_t>(variables.number("LIERE_PORT", 1, 65535));
  describe(place, "liere-train --ranks");
  return place;
}

Place place_of_torchrun(const Variables& variables) {
  Place place;
  place.size = variables.number("WORLD_SIZE", 1, kMostRanks);
  place.rank = variables.number("RANK", 0, place.size - 1);
  if (place.size == 1) {
    place.source = "one process (RANK and WORLD_SIZE)";
    return place;
  }
  // A launcher that sets neither puts one process on each machine.
  if (variables.has("LOCAL_RANK") || variables.has("LOCAL_WORLD_SIZE")) {
    place.local_size = variables.number("LOCAL_WORLD_SIZE", 1, place.size);
    place.local_rank = variables.number("LOCAL_RANK", 0, place.local_size - 1);
  }
  place.host = variables.text("MASTER_ADDR");
  place.port = static_cast<uint16_t>(variables.number("MASTER_PORT", 1, 65535));
  describe(place, "RANK and WORLD_SIZE");
  return place;
}

/// "2(x3),1" -> the tasks of each node: 2, 2, 2, 1.
std::vector<int64_t> tasks_of_nodes(const std::string& list, int64_t tasks) {
  const std::string name = "SLURM_STEP_TASKS_PER_NODE";
  std::vector<int64_t> nodes;
  int64_t sum = 0;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    const auto part = list.substr(begin, end - begin);
    const size_t times = part.find("(x");
    if (times != std::string::npos && part.back() != ')') number_in(name, list, 0, 0);
    const int64_t each = number_in(name, part.substr(0, times), 1, kMostRanks);
    const int64_t count = times == std::string::npos ? 1 : number_in(name, part.substr(times + 2, part.size() - times - 3), 1, kMostRanks);
    sum += each * count;
    if (sum <= tasks) nodes.insert(nodes.end(), static_cast<size_t>(count), each);
    begin = end + 1;
  }
  if (sum != tasks)
    throw ConfigError(name + " is '" + list.substr(0, 60) + "', which is " + std::to_string(sum) + " tasks, but SLURM_STEP_NUM_TASKS is " + std::to_string(tasks) +
                      ". Both are SLURM's own: start the processes by srun, and do not export one of them from elsewhere.");
  return nodes;
}

Place place_of_slurm(const Variables& variables) {
  Place place;
  place.size = variables.number("SLURM_STEP_NUM_TASKS", 1, kMostRanks);
  if (place.size == 1) {
    place.source = "one process (a SLURM step of one task)";
    return place;
  }
  place.rank = variables.number("SLURM_PROCID", 0, place.size - 1);
  const auto nodes = tasks_of_nodes(variables.text("SLURM_STEP_TASKS_PER_NODE"), place.size);
  place.local_size = nodes[static_cast<size_t>(variables.number("SLURM_NODEID", 0, static_cast<int64_t>(nodes.size()) - 1))];
  place.local_rank = variables.number("SLURM_LOCALID", 0, place.local_size - 1);
  place.local_processors = variables.number_or("SLURM_CPUS_ON_NODE", 1, kMostRanks, 0);
  const auto hosts = expand_hosts(variables.text("SLURM_STEP_NODELIST"));
  const int64_t job = variables.number("SLURM_JOB_ID", 0, int64_t(1) << 40), step = variables.number_or("SLURM_STEP_ID", 0, int64_t(1) << 40, 0);
  // Below the ports that systems give out by themselves; jobs that share a node differ in number.
  constexpr int64_t kFirstPort = 15000, kPorts = 16000;
  place.port = static_cast<uint16_t>(variables.number_or("MASTER_PORT", 1, 65535, kFirstPort + (7 * job + step) % kPorts));
  place.host = hosts.size() == 1 ? "127.0.0.1" : hosts.front();
  return place;
}

}  // namespace

std::optional<std::string> environment_variable(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  return value ? std::optional<std::string>(value) : std::nullopt;
}

Place find_place(const Environment& environment) {
  const auto is_set = [&](const char* name) {
    const auto value = environment(name);
    return value && !value->empty();
  };
  if (is_set("LIERE_RANK")) return place_of_own({environment, "liere-train --ranks"});
  // WORLD_SIZE=1 alone is what some containers export for whatever they start.
  const bool one_process = !is_set("RANK") && environment("WORLD_SIZE").value_or("") == "1";
  if ((is_set("RANK") || is_set("WORLD_SIZE")) && !one_process) return place_of_torchrun({environment, "torchrun"});
  if (!is_set("SLURM_STEP_NUM_TASKS") || !is_set("SLURM_PROCID")) return {};
  auto place = place_of_slurm({environment, "SLURM's srun"});
  if (place.size == 1) return place;
  if (is_set("MASTER_ADDR")) place.host = *environment("MASTER_ADDR");
  describe(place, "SLURM step " + environment("SLURM_JOB_ID").value_or("?") + "." + environment("SLURM_STEP_ID").value_or("?"));
  return place;
}

std::vector<std::string> expand_hosts(const std::string& list) {
  const auto fail = [&](const std::string& what) {
    throw ConfigError("The list of hosts '" + list.substr(0, 80) + "' " + what + ", expected a form such as node[01-03,7],gpu5.");
  };
  const auto check_count = [&](size_t count) {
    if (count > kMostHosts) fail("has more than " + std::to_string(kMostHosts) + " hosts");
  };
  const auto is_number = [](const std::string& text) {
    return !text.empty() && text.size() <= 9 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  /// "01-03,7" -> 01, 02, 03, 7
  const auto numbers = [&](const std::string& ranges) {
    std::vector<std::string> all;
    if (ranges.empty() || ranges.back() == ',') fail("has an empty range");
    for (size_t begin = 0; begin < ranges.size();) {
      const size_t stop = std::min(ranges.find(',', begin), ranges.size());
      const auto range = ranges.substr(begin, stop - begin);
      begin = stop + 1;
      const size_t dash = range.find('-');
      const auto first = range.substr(0, dash), last = dash == std::string::npos ? first : range.substr(dash + 1);
      if (!is_number(first) || !is_number(last) || std::stol(last) < std::stol(first)) fail("has a range '" + range.substr(0, 20) + "' that is none");
      check_count(all.size() + static_cast<size_t>(std::stol(last) - std::stol(first)) + 1);
      for (long number = std::stol(first); number <= std::stol(last); ++number) {
        auto digits = std::to_string(number);
        if (digits.size() < first.size()) digits.insert(0, first.size() - digits.size(), '0');
        all.push_back(digits);
      }
    }
    return all;
  };
  std::vector<std::string> hosts;
  for (size_t at = 0; at <= list.size();) {
    size_t end = at;
    for (bool inside = false; end < list.size() && (inside || list[end] != ','); ++end) inside = list[end] == '[' || (inside && list[end] != ']');
    const auto item = list.substr(at, end - at);
    at = end + 1;
    if (item.empty()) fail("has an empty name");
    // Several brackets are all their combinations, the last one running fastest.
    std::vector<std::string> names = {""};
    for (size_t begin = 0; begin < item.size();) {
      const size_t open = std::min(item.find('[', begin), item.size()), close = item.find(']', begin);
      if ((open == item.size()) != (close == std::string::npos) || (close != std::string::npos && close < open)) fail("has brackets that do not fit");
      const auto text = item.substr(begin, open - begin);
      for (auto& name : names) name += text;
      if (open == item.size()) break;
      const auto choices = numbers(item.substr(open + 1, close - open - 1));
      check_count(names.size() * choices.size());
      std::vector<std::string> longer;
      for (const auto& name : names)
        for (const auto& choice : choices) longer.push_back(name + choice);
      names = std::move(longer);
      begin = close + 1;
    }
    check_count(hosts.size() + names.size());
    hosts.insert(hosts.end(), names.begin(), names.end());
  }
  return hosts;
}

int device_of(const Place& place, int visible, bool share) {
  if (place.local_rank < visible && (place.local_rank > 0 || visible >= place.local_size)) return static_cast<int>(place.local_rank);
  if (share && visible > 0) return static_cast<int>(place.local_rank % visible);
  // Each process is shown its own by the launcher (--gpus-per-task, CUDA_VISIBLE_DEVICES): the same number in each is another device.
  if (visible == 1 && place.local_size > 1) return 0;
  if (place.local_rank < visible) return static_cast<int>(place.local_rank);
  throw DeviceError("process " + std::to_string(place.local_rank) + " of " + std::to_string(place.local_size) +
                    " on this machine has no GPU of its own: " + std::to_string(visible) +
                    " can be seen. Start at most that many processes per machine, or let them share with distributed.share_device=true.");
}

}  // namespace liere
