// Drives a fuzz target where there is no libFuzzer: the seed files, then random changes of them (bits, bytes, runs, numbers, words of the format, halves of
// two seeds), reproducible by -seed. Without the compiler's coverage, so it finds less than libFuzzer does; it takes the same arguments:
//   fuzz_NAME [-max_total_time=SECONDS] [-runs=N] [-seed=N] FILE_OR_FOLDER...
// A crash or an input that takes over a second of processor time is written to crash-NAME in the working folder, and the exit code is not 0.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/rng.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

std::string current, crash_file;

void save_current(int signal) {
  const int file = ::open(crash_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file >= 0 && ::write(file, current.data(), current.size()) >= 0) ::close(file);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void add_seeds(const fs::path& path, std::vector<std::string>& seeds) {
  if (!fs::is_directory(path)) return seeds.push_back(liere::read_file(path));
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(path))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files) seeds.push_back(liere::read_file(file));
}

class Mutator {
 public:
  Mutator(const std::vector<std::string>& seeds, uint64_t seed, uint32_t round) : seeds_(seeds), rng_(seed, liere::Purpose::kShuffle, round) {}

  std::string next() {
    std::string text = seeds_[at(seeds_.size())];
    for (size_t changes = 1 + at(6); changes > 0; --changes) change(text);
    if (text.size() > 65536) text.resize(65536);
    return text;
  }

 private:
  size_t at(size_t n) { return static_cast<size_t>(rng_.integer(static_cast<int64_t>(n))); }

  void change(std::string& text) {
    static const std::vector<std::string> words = {"{", "}", "[", "]", ":", ",", "\"", "\\u0000", "\\ud800", "\xff", "\xc0\xaf", "-1", "0", "9223372036854775807",
                                                   "9223372036854775808", "18446744073709551616", "1e400", "nan", "null", "true", "dtype", "shape", "data_offsets",
                                                   "__metadata__", "F32", "&a", "*a", "<<", "!!str ", "---\n", "...\n", "? ", "- ", "\t", "\r\n", "# ", "| \n", "> \n", "%YAML 1.2\n", "\xff\xda", "\xff\xc4", "\xff\xdd", "\xff\xd9", "\xff\xd0", "IDAT", "PLTE"};
    const size_t place = at(text.size() + 1);
    switch (at(8)) {
      case 0:
        if (place < text.size()) text[place] = static_cast<char>(text[place] ^ (1 << at(8)));
        break;
      case 1:
        if (place < text.size()) text[place] = static_cast<char>(at(256));
        break;
      case 2: text.insert(place, words[at(words.size())]); break;
      case 3: text.erase(place, 1 + at(16)); break;
      case 4: text.insert(place, text.substr(at(text.size() + 1), 1 + at(64))); break;
      case 5: text.insert(place, std::string(1 + at(200), place < text.size() ? text[place] : '[')); break;
      case 6: {
        const auto& other = seeds_[at(seeds_.size())];
        text = text.substr(0, place) + other.substr(at(other.size() + 1));
        break;
      }
      default: text.resize(place);
    }
  }

  const std::vector<std::string>& seeds_;
  liere::Rng rng_;
};

bool run_one(const std::string& input) {
  current = input;
  const std::clock_t start = std::clock();  // processor time: on a busy machine a process may wait for seconds
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(current.data()), current.size());
  if (std::clock() - start < CLOCKS_PER_SEC) return true;
  std::fprintf(stderr, "an input of %zu bytes took over a second of processor time\n", current.size());
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 0;
  uint64_t runs = ~uint64_t(0), seed = 1, done = 0;
  std::vector<std::string> seeds;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto value = argument.substr(argument.find('=') + 1);
    if (argument.starts_with("-max_total_time=")) seconds = std::stod(value);
    else if (argument.starts_with("-runs=")) runs = std::stoull(value);
    else if (argument.starts_with("-seed=")) seed = std::stoull(value);
    else if (!argument.starts_with("-")) add_seeds(argument, seeds);
  }
  if (seeds.empty()) seeds.push_back("");
  crash_file = "crash-" + fs::path(argv[0]).filename().string();
  for (const int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, save_current);

  const auto start = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  bool good = true;
  for (size_t i = 0; i < seeds.size() && good; ++i, ++done) good = run_one(seeds[i]);
  for (uint32_t round = 0; good && done < runs && (seconds == 0 ? runs != ~uint64_t(0) : elapsed() < seconds); ++round) {
    Mutator mutator(seeds, seed, round);
    for (int i = 0; i < 1000 && good && done < runs; ++i, ++done) good = run_one(mutator.next());
  }
  if (!good) save_current(SIGABRT);
  std::printf("Done %llu runs in %.0f second(s)\n", static_cast<unsigned long long>(done), elapsed());
  return 0;
}
