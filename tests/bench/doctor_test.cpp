// The doctor's verdicts on cores, memory, disk and environment.
#include "bench/doctor.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "support/catch.h"
#include "support/fixtures.h"
#include "support/matchers.h"

using namespace liere;
namespace fs = std::filesystem;

namespace {

/// A tree of files that stand for those of /proc and /sys.
class Root {
 public:
  Root() { put("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:         1000 kB\nMemAvailable:    8388608 kB\n"); }
  void put(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_.path() / name).parent_path());
    std::ofstream(folder_.path() / name) << text;
  }
  Allowance read() const { return read_allowance(folder_.path()); }

 private:
  test::TemporaryFolder folder_;
};

Allowance plenty() {
  Allowance a;
  a.processors = a.affinity = 8;
  a.memory = 64e9;
  a.available = 60e9;
  return a;
}

const Finding& topic(const std::vector<Finding>& findings, const std::string& name) {
  for (const auto& finding : findings)
    if (finding.topic == name) return finding;
  FAIL("no finding about " << name);
  return findings.front();
}

}  // namespace

TEST_CASE("doctor: memory and processors without a control group") {
  const Root root;
  const auto a = root.read();
  CHECK(a.memory == 16777216.0 * 1024);
  CHECK(a.available == 8388608.0 * 1024);
  CHECK(!a.memory_limit);
  CHECK(!a.cpu_quota);
  CHECK(a.affinity >= 1);
  CHECK(a.processors >= a.affinity);
}

TEST_CASE("doctor: the narrowest control group of version 2 on the way to the root counts") {
  const Root root;
  root.put("proc/self/cgroup", "0::/slice/job\n");
  root.put("sys/fs/cgroup/slice/cpu.max", "250000 100000\n");
  root.put("sys/fs/cgroup/slice/job/cpu.max", "max 100000\n");
  root.put("sys/fs/cgroup/slice/memory.max", "4294967296\n");
  root.put("sys/fs/cgroup/slice/memory.current", "1073741824\n");
  root.put("sys/fs/cgroup/slice/job/memory.max", "max\n");
  auto a = root.read();
  CHECK(a.cpu_quota == 2.5);
  CHECK(a.memory_limit == 4294967296.0);
  CHECK(a.memory_used == 1073741824.0);
  root.put("sys/fs/cgroup/slice/job/memory.max", "2147483648\n");
  root.put("sys/fs/cgroup/slice/job/memory.current", "5\n");
  a = root.read();
  CHECK(a.memory_limit == 2147483648.0);
  CHECK(a.memory_used == 5.0);
}

TEST_CASE("doctor: a container sees its own group at the hierarchy's root") {
  const Root root;
  root.put("proc/self/cgroup", "0::/kubepods/pod/elsewhere\n");
  root.put("sys/fs/cgroup/cpu.max", "50000 100000\n");
  root.put("sys/fs/cgroup/memory.max", "1000000000\n");
  const auto a = root.read();
  CHECK(a.cpu_quota == 0.5);
  CHECK(a.memory_limit == 1e9);
}

TEST_CASE("doctor: control groups of version 1") {
  const Root root;
  root.put("proc/self/cgroup", "12:memory:/job\n5:cpu,cpuacct:/job\n0::/\n");
  root.put("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "300000\n");
  root.put("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
  root.put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  root.put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  root.put("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "9223372036854771712\n");
  root.put("sys/fs/cgroup/memory/memory.limit_in_bytes", "3000000000\n");
  root.put("sys/fs/cgroup/memory/memory.usage_in_bytes", "2000000000\n");
  const auto a = root.read();
  CHECK(a.cpu_quota == 3.0);
  CHECK(a.memory_limit == 3e9);
  CHECK(a.memory_used == 2e9);
}

TEST_CASE("doctor: more threads than processors' time, and little memory, are warnings") {
  CHECK(allowance_findings(plenty(), 8)[0].verdict == Verdict::kGood);
  CHECK(allowance_findings(plenty(), 8)[1].verdict == Verdict::kGood);
  auto a = plenty();
  a.cpu_quota = 2.5;
  auto findings = allowance_findings(a, 8);
  CHECK(topic(findings, "cores").verdict == Verdict::kWarning);
  CHECK_THAT(topic(findings, "cores").text, test::has("threads=2"));
  CHECK(allowance_findings(a, 3)[0].verdict == Verdict::kGood);
  a.affinity = 1;
  CHECK_THAT(allowance_findings(a, 8)[0].text, test::has("1 of 8 processors"));
  a = plenty();
  a.memory_limit = 8e9, a.memory_used = 6e9;
  CHECK(topic(allowance_findings(a, 8), "memory").verdict == Verdict::kWarning);
  a.memory_used = 1e9;
  CHECK(topic(allowance_findings(a, 8), "memory").verdict == Verdict::kGood);
  a.address_space = 8e9;
  CHECK_THAT(topic(allowance_findings(a, 8), "memory").text, test::has("ulimit -v"));
}

TEST_CASE("doctor: file systems by the kernel's numbers") {
  CHECK(file_system_name(0xEF53) == "ext4");
  CHECK(file_system_name(0x6969) == "nfs");
  CHECK(file_system_name(0x0BD00BD0) == "lustre");
  CHECK(file_system_name(static_cast<int32_t>(0xFF534D42)) == "cifs");  // statfs's number is signed on some machines
  CHECK(file_system_name(0x1234) == "type 0x1234");
}

TEST_CASE("doctor: an output folder that can be written is timed, and nothing is left in it") {
  const test::TemporaryFolder folder;
  const auto found = read_output_folder(folder.path() / "runs" / "one");
  CHECK(found.failure.empty());
  CHECK(found.folder == folder.path());
  CHECK(found.free_bytes > 0);
  REQUIRE(found.sync_seconds);
  CHECK(*found.sync_seconds > 0);
  CHECK(fs::is_empty(folder.path()));
  CHECK(output_findings(found).front().verdict != Verdict::kBroken);
}

TEST_CASE("doctor: an output folder that cannot be used is broken, with training's exit code") {
  const test::TemporaryFolder folder;
  std::ofstream(folder.path() / "file") << "x";
  const auto found = read_output_folder(folder.path() / "file" / "run");
  CHECK_FALSE(found.failure.empty());
  DoctorReport report{output_findings(found)};
  CHECK(report.findings.front().verdict == Verdict::kBroken);
  CHECK(report.exit_code() == found.code);
  CHECK(report.exit_code() != ExitCode::kDone);
}

TEST_CASE("doctor: a full, slow or volatile disk is a warning") {
  OutputFolder output{"/somewhere", "xfs", 1e12, 0.002, "", ExitCode::kDone};
  CHECK(output_findings(output)[0].verdict == Verdict::kGood);
  CHECK_THAT(output_findings(output)[0].text, test::has("fsync 2.00 ms"));
  output.free_bytes = 1e9;
  CHECK(output_findings(output)[0].verdict == Verdict::kWarning);
  output.free_bytes = 1e12;
  output.sync_seconds = 0.5;
  CHECK_THAT(output_findings(output)[0].text, test::has("checkpoint less often"));
  output.sync_seconds = 0.001;
  output.type = "tmpfs";
  CHECK(output_findings(output)[0].verdict == Verdict::kWarning);
}

TEST_CASE("doctor: variables that change the program, and no others") {
  const auto findings = environment_findings({"HOME=/home/me", "SLURM_JOB_ID=17", "SLURM_NTASKS=4", "OMP_NUM_THREADS=3", "LIERE_INSTRUCTION_SET=avx2", "SECRET=LIERE_", "CUDA_VISIBLE_DEVICES="});
  CHECK(topic(findings, "SLURM").text == "SLURM_JOB_ID=17 SLURM_NTASKS=4");
  CHECK(topic(findings, "environment").text == "OMP_NUM_THREADS=3 LIERE_INSTRUCTION_SET=avx2 CUDA_VISIBLE_DEVICES=");
  CHECK(topic(environment_findings({}), "SLURM").text == "not in a job");
}

TEST_CASE("doctor: the report is one line a finding, and the first broken one gives the exit code") {
  DoctorReport report{{{Verdict::kGood, "GPU", "fine"}, {Verdict::kWarning, "cores", "few"}}};
  CHECK(report.exit_code() == ExitCode::kDone);
  CHECK_THAT(describe(report), test::has("\nok       GPU            fine\nWARNING  cores          few\nnothing broken, 1 warning\n"));
  report.findings.push_back({Verdict::kBroken, "driver", "old", ExitCode::kDevice});
  report.findings.push_back({Verdict::kBroken, "output", "full", ExitCode::kCheckpoint});
  CHECK(report.exit_code() == ExitCode::kDevice);
  CHECK_THAT(describe(report), test::has("2 broken, 1 warning\n"));
  const auto json = nlohmann::json::parse(to_json(report));
  CHECK(json["exit_code"] == 5);
  CHECK(json["findings"][2] == nlohmann::json({{"verdict", "BROKEN"}, {"topic", "driver"}, {"text", "old"}}));
}

TEST_CASE("doctor: this machine's processor") {
  const auto findings = processor_findings();
  REQUIRE(findings.size() == 1);
  CHECK_THAT(findings[0].text, test::has("the kernels take"));
  CHECK(findings[0].verdict != Verdict::kBroken);
}
