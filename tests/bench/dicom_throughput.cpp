// One series of native DICOM files -> the sorted volume of Hounsfield units, for dicom_throughput.py: dicom_throughput FOLDER REPEATS prints the
// processor seconds of each repeat and a sum over the volume.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "core/check.h"
#include "core/files.h"
#include "data/dicom/series.h"

using namespace liere;

namespace {

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

int main(int argc, char** argv) {
  return run_command([&] {
    if (argc != 3) throw ConfigError("usage: dicom_throughput FOLDER REPEATS");
    std::vector<DicomEntry> entries;
    for (const auto& file : std::filesystem::directory_iterator(argv[1]))
      if (file.path().extension() == ".dcm") entries.push_back({file.path().filename().string(), [path = file.path()] { return read_file(path); }});
    for (int i = 0; i < std::atoi(argv[2]); ++i) {
      const double start = processor_seconds();
      const auto volume = read_series(entries);
      const double seconds = processor_seconds() - start;
      int64_t sum = 0;
      for (int64_t p = 0; p < volume.hu.shape().elements(); ++p) sum += int64_t(volume.hu.i16()[p]) * (p % 1009);
      std::printf("%.6f %lld\n", seconds, static_cast<long long>(sum));
    }
    return 0;
  });
}
