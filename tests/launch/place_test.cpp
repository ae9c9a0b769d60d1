// Which process this is, from each kind of environment.
#include "launch/place.h"

#include <map>

#include "core/check.h"
#include "support/catch.h"

using namespace liere;

namespace {

using Variables = std::map<std::string, std::string>;

Place place_in(const Variables& variables) {
  return find_place([&](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  });
}

std::string error_in(const Variables& variables) {
  try {
    place_in(variables);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

Variables with(Variables variables, const Variables& more) {
  for (const auto& [name, value] : more) variables[name] = value;
  return variables;
}
Variables without(Variables variables, const std::string& name) {
  variables.erase(name);
  return variables;
}

const Variables kOwn = {{"LIERE_RANK", "1"}, {"LIERE_RANKS", "2"}, {"LIERE_PORT", "4711"}};
const Variables kTorchrun = {{"RANK", "5"},           {"WORLD_SIZE", "8"},     {"LOCAL_RANK", "1"}, {"LOCAL_WORLD_SIZE", "4"},
                             {"MASTER_ADDR", "gpu1"}, {"MASTER_PORT", "29500"}};
const Variables kSlurm = {
    {"SLURM_JOB_ID", "1000"}, {"SLURM_STEP_ID", "2"}, {"SLURM_STEP_NUM_TASKS", "5"},          {"SLURM_PROCID", "3"},
    {"SLURM_LOCALID", "1"},   {"SLURM_NODEID", "1"},  {"SLURM_STEP_NODELIST", "n[07-08,11]"}, {"SLURM_STEP_TASKS_PER_NODE", "2(x2),1"}};

}  // namespace

TEST_CASE("place: nothing set, or the shell of an allocation, is one process", "[launch]") {
  for (const Variables& variables :
       {Variables{}, Variables{{"LOCAL_RANK", "3"}},
        Variables{{"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", "4"}, {"SLURM_PROCID", "0"}, {"SLURM_JOB_NODELIST", "n[1-2]"}},
        Variables{{"SLURM_JOB_ID", "7"}, {"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_PROCID", "0"}}, Variables{{"RANK", ""}, {"WORLD_SIZE", ""}}}) {
    const auto place = place_in(variables);
    CHECK((place.rank == 0 && place.size == 1 && place.local_size == 1));
    CHECK_THAT(place.source, Catch::StartsWith("one process"));
  }
}

TEST_CASE("place: each launcher, and which goes before which", "[launch]") {
  const auto own = place_in(with(with(kSlurm, kTorchrun), kOwn));
  CHECK((own.rank == 1 && own.size == 2 && own.local_rank == 1 && own.local_size == 2 && own.host == "127.0.0.1" && own.port == 4711));
  const auto torchrun = place_in(with(kSlurm, kTorchrun));
  CHECK((torchrun.rank == 5 && torchrun.size == 8 && torchrun.local_rank == 1 && torchrun.local_size == 4 && torchrun.host == "gpu1" &&
         torchrun.port == 29500));
  CHECK_THAT(torchrun.source, Catch::Contains("rank 5 of 8 (RANK and WORLD_SIZE; they meet at gpu1:29500)"));
  const auto slurm = place_in(kSlurm);
  CHECK((slurm.rank == 3 && slurm.size == 5 && slurm.local_rank == 1 && slurm.local_size == 2 && slurm.host == "n07" && slurm.port == 15000 + 7002));
  CHECK_THAT(slurm.source, Catch::Contains("SLURM step 1000.2"));
  CHECK(place_in(with(kSlurm, {{"SLURM_PROCID", "4"}, {"SLURM_LOCALID", "0"}, {"SLURM_NODEID", "2"}})).local_size == 1);
  const auto chosen = place_in(with(kSlurm, {{"MASTER_ADDR", "10.0.0.1"}, {"MASTER_PORT", "1234"}}));
  CHECK((chosen.host == "10.0.0.1" && chosen.port == 1234));
  CHECK(place_in(with(kSlurm, {{"SLURM_STEP_NODELIST", "n1"}, {"SLURM_STEP_TASKS_PER_NODE", "5"}, {"SLURM_NODEID", "0"}})).host == "127.0.0.1");
  CHECK(slurm.local_processors == 0);
  CHECK(place_in(with(kSlurm, {{"SLURM_CPUS_ON_NODE", "16"}})).local_processors == 16);
  // Two steps of a job, and neighbouring jobs, meet at ports of their own.
  CHECK(place_in(with(kSlurm, {{"SLURM_STEP_ID", "3"}})).port != slurm.port);
  CHECK(place_in(with(kSlurm, {{"SLURM_JOB_ID", "1001"}})).port != slurm.port);
  const auto single = place_in({{"RANK", "0"}, {"WORLD_SIZE", "1"}});
  CHECK((single.size == 1 && single.source == "one process (RANK and WORLD_SIZE)"));
}

TEST_CASE("place: what is missing or wrong is named with its value", "[launch]") {
  for (const char* name : {"LIERE_RANKS", "LIERE_PORT"})
    CHECK_THAT(error_in(without(kOwn, name)), Catch::Contains(std::string("its variable ") + name + " is not set"));
  for (const char* name : {"MASTER_ADDR", "MASTER_PORT"})
    CHECK_THAT(error_in(without(kTorchrun, name)), Catch::Contains(std::string("its variable ") + name + " is not set"));
  for (const char* name : {"SLURM_LOCALID", "SLURM_NODEID", "SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE", "SLURM_JOB_ID"})
    CHECK_THAT(error_in(without(kSlurm, name)), Catch::Contains(std::string("its variable ") + name + " is not set"));
  const std::pair<const char*, const char*> wrong[] = {{"RANK", "8"},
                                                       {"RANK", "-1"},
                                                       {"RANK", "x"},
                                                       {"RANK", "1 "},
                                                       {"WORLD_SIZE", "0"},
                                                       {"LOCAL_RANK", "4"},
                                                       {"LOCAL_WORLD_SIZE", "9"},
                                                       {"MASTER_PORT", "0"},
                                                       {"MASTER_PORT", "65536"}};
  for (const auto& [name, value] : wrong) {
    CAPTURE(name, value);
    CHECK_THAT(error_in(with(kTorchrun, {{name, value}})), Catch::Contains(std::string("variable ") + name + " is '" + value + "'"));
  }
  // One without the other is half an environment; a container's WORLD_SIZE=1 is not.
  CHECK_THAT(error_in({{"RANK", "0"}}), Catch::Contains("WORLD_SIZE is not set"));
  CHECK_THAT(error_in({{"WORLD_SIZE", "2"}}), Catch::Contains("RANK is not set"));
  CHECK(place_in({{"WORLD_SIZE", "1"}}).source == "one process");
  CHECK_THAT(error_in(without(kTorchrun, "LOCAL_WORLD_SIZE")), Catch::Contains("LOCAL_WORLD_SIZE is not set"));
  CHECK_THAT(error_in(without(kTorchrun, "LOCAL_RANK")), Catch::Contains("LOCAL_RANK is not set"));
  CHECK(place_in(without(without(kTorchrun, "LOCAL_RANK"), "LOCAL_WORLD_SIZE")).local_size == 1);
  CHECK_THAT(error_in(with(kSlurm, {{"SLURM_STEP_TASKS_PER_NODE", "2(x3)"}})), Catch::Contains("6 tasks") && Catch::Contains("SLURM_STEP_NUM_TASKS is 5"));
  const std::pair<const char*, const char*> of_slurm[] = {{"SLURM_PROCID", "5"},
                                                          {"SLURM_LOCALID", "2"},
                                                          {"SLURM_STEP_TASKS_PER_NODE", "2(x2"},
                                                          {"SLURM_STEP_TASKS_PER_NODE", ""},
                                                          {"SLURM_STEP_TASKS_PER_NODE", "2"},
                                                          {"SLURM_STEP_TASKS_PER_NODE", "a"},
                                                          {"SLURM_NODEID", "7"},
                                                          {"SLURM_STEP_NODELIST", "n[1"}};
  for (const auto& [name, value] : of_slurm) {
    CAPTURE(name, value);
    CHECK(error_in(with(kSlurm, {{name, value}})) != "no error");
  }
}

TEST_CASE("hosts: SLURM's lists", "[launch]") {
  using Hosts = std::vector<std::string>;
  CHECK(expand_hosts("n1") == Hosts{"n1"});
  CHECK(expand_hosts("n[1-3]") == Hosts{"n1", "n2", "n3"});
  CHECK(expand_hosts("n[08-11,3],gpu5,m[2]-ib") == Hosts{"n08", "n09", "n10", "n11", "n3", "gpu5", "m2-ib"});
  CHECK(expand_hosts("rack[0-1]n[08-10]") == Hosts{"rack0n08", "rack0n09", "rack0n10", "rack1n08", "rack1n09", "rack1n10"});
  CHECK(expand_hosts("n[1][2],x[3]y[4,6]-z") == Hosts{"n12", "x3y4-z", "x3y6-z"});
  CHECK(expand_hosts("a.b-c,d") == Hosts{"a.b-c", "d"});
  CHECK(expand_hosts("n[1-100000]").size() == 100000);
  for (const char* list : {"", ",", "a,", "n[", "n]", "n[]", "n[1-", "n[1-]", "n[3-1]", "n[a-b]", "n[1,]", "n[1-2", "n[[1]]", "n[1]]",
                           "n[1-9999999999]", "n[1-100001]", "n[1-1000]m[1-101]", "r[1]n[", "r[1]n]"}) {
    CAPTURE(list);
    CHECK_THROWS_AS(expand_hosts(list), ConfigError);
  }
}

TEST_CASE("devices: one for each local rank, or the one that each is shown", "[launch]") {
  const auto place = [](int64_t local_rank, int64_t local_size) {
    Place p;
    p.local_rank = local_rank, p.local_size = local_size, p.size = local_size;
    return p;
  };
  for (int rank = 0; rank < 4; ++rank) CHECK(device_of(place(rank, 4), 4, false) == rank);
  CHECK(device_of(place(1, 2), 8, false) == 1);
  for (int rank = 0; rank < 4; ++rank) CHECK(device_of(place(rank, 4), 1, false) == 0);  // CUDA_VISIBLE_DEVICES of each names one
  CHECK(device_of(place(3, 4), 2, true) == 1);
  CHECK_THROWS_WITH(device_of(place(3, 4), 2, false), Catch::Contains("process 3 of 4") && Catch::Contains("distributed.share_device"));
  CHECK_THROWS_AS(device_of(place(0, 1), 0, false), DeviceError);
}
