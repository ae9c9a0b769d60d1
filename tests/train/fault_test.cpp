// The failure on purpose that tests ask for, and the place where ranks meet.
#include "train/fault.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "core/check.h"
#include "core/files.h"
#include "ranks_in_threads.h"
#include "tiny_run.h"
#include "train/distributed_meeting.h"

using namespace liere;
using namespace liere::test;

namespace {

/// LIERE_FAULT while it lives.
struct FaultVariable {
  explicit FaultVariable(const std::string& text) { ::setenv("LIERE_FAULT", text.c_str(), 1); }
  ~FaultVariable() { ::unsetenv("LIERE_FAULT"); }
};

uint16_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(socket);
  return ntohs(address.sin_port);
}

/// What each of the places' meet() does: "" or what it throws. The stores live until all have met.
std::vector<std::string> meetings(std::vector<Place> places) {
  const auto port = free_port();
  std::vector<std::future<Meeting>> parts;
  for (auto& place : places) {
    place.port = port;
    parts.push_back(std::async(std::launch::async, [place] { return meet(place); }));
  }
  std::vector<Meeting> met;
  std::vector<std::string> results;
  for (auto& part : parts) {
    try {
      met.push_back(part.get());
      results.push_back("");
      CHECK(met.back().address == "127.0.0.1");
    } catch (const ConfigError& error) {
      results.emplace_back(error.what());
    }
  }
  return results;
}

Place place_of(int64_t rank, int64_t size) {
  Place place;
  place.rank = rank;
  place.size = size;
  return place;
}

}  // namespace

TEST_CASE("faults: the variable is read as rank, step and kind, or refused in one sentence", "[ranks]") {
  const auto fault = parse_fault("1:5:nan");
  CHECK((fault.rank == 1 && fault.step == 5 && fault.kind == FaultKind::kNan && !fault.repeated && fault.weight.empty()));
  CHECK((!fault.strikes(4) && fault.strikes(5) && !fault.strikes(6)));
  const auto repeated = parse_fault("0:7+:nan:head.weight");
  CHECK((repeated.rank == 0 && repeated.repeated && repeated.weight == "head.weight"));
  CHECK((!repeated.strikes(6) && repeated.strikes(7) && repeated.strikes(8)));
  const std::pair<const char*, FaultKind> kinds[] = {{"0:1:throw", FaultKind::kThrow}, {"0:1:oom", FaultKind::kOom},
                                                     {"0:1:segv", FaultKind::kSegv},   {"0:1:abort", FaultKind::kAbort},
                                                     {"0:1:exit", FaultKind::kExit},   {"0:1:freeze", FaultKind::kFreeze}};
  for (const auto& [text, kind] : kinds) CHECK(parse_fault(text).kind == kind);
  const std::pair<const char*, const char*> wrong[] = {{"", "it has 1 part"},
                                                       {"1:5", "it has 2 parts"},
                                                       {"x:5:nan", "'x' is no number from 0 on"},
                                                       {"-1:5:nan", "'-1' is no number from 0 on"},
                                                       {"1:0:nan", "'0' is no number from 1 on"},
                                                       {"1:5:boom", "'boom' is no kind of fault"},
                                                       {"1:5:throw:head", "only nan takes a fourth part"},
                                                       {"1:5:nan:", "only nan takes a fourth part"},
                                                       {"1:5 :nan", "'5 ' is no number"},
                                                       {"99999999999999999999:5:nan", "is no number"}};
  for (const auto& [text, why] : wrong) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_fault(text), ConfigError);
    CHECK_THROWS_WITH(parse_fault(text),
                      Catch::StartsWith("LIERE_FAULT is '" + std::string(text) + "'") && Catch::Contains(why) && Catch::Contains("RANK:STEP:KIND"));
  }
}

TEST_CASE("faults: another rank's is nothing to this one, no rank's and no weight's are refused", "[ranks]") {
  const NamedTensors weights = {{"a", torch::zeros({2, 3})}, {"b", torch::zeros({4})}};
  ::unsetenv("LIERE_FAULT");
  CHECK(!fault_of(0, 1, weights));
  const FaultVariable variable("1:3:nan");
  CHECK(!fault_of(0, 2, weights));
  CHECK(fault_of(1, 2, weights)->weight == "a");
  CHECK_THROWS_WITH(fault_of(0, 1, weights), Catch::Contains("the run has 1 rank, 0"));
  const FaultVariable other("1:3:nan:c");
  CHECK_THROWS_WITH(fault_of(0, 2, weights), Catch::Contains("the model has no weight 'c'"));
}

TEST_CASE("faults: those that can be seen from inside", "[ranks]") {
  const NamedTensors weights = {{"a", torch::zeros({2, 3})}, {"b", torch::zeros({4})}};
  CHECK_THROWS_WITH(strike(parse_fault("0:3:throw"), 3, weights), Catch::Contains("thrown on purpose in step 3"));
  CHECK_THROWS_AS(strike(parse_fault("0:3:oom"), 3, weights), std::bad_alloc);
  strike(parse_fault("0:3:nan:b"), 3, weights);
  CHECK(!weights[0].second.grad().defined());
  CHECK(torch::isnan(weights[1].second.grad()).sum().item<int64_t>() == 1);
}

TEST_CASE("faults: a gradient that is not finite in one rank skips the step in all, whichever weight it is of", "[ranks]") {
  TemporaryFolder folder;
  for (const char* weight : {"generators", "block.0.attention.qkv.weight", "patch_embed.weight", "head.bias"}) {
    for (const char* rank : {"0", "1"}) {
      CAPTURE(weight, rank);
      const FaultVariable variable(std::string(rank) + ":2:nan:" + weight);
      std::vector<std::vector<bool>> skipped(2);
      std::vector<double> loss(2);
      std::vector<std::map<std::string, torch::Tensor>> ends(2);
      in_ranks(2, [&](Ranks& ranks) {
        Trainer trainer(tiny_run(folder.path() / "run", {"loader.workers=0"}), torch::kCPU, &ranks);
        const auto self = static_cast<size_t>(ranks.rank());
        for (int step = 1; step <= 3; ++step) {
          const auto report = trainer.step_once();
          skipped[self].push_back(report.skipped);
          if (step == 2) loss[self] = report.loss;
        }
        ends[self] = weights_of(trainer);
        ranks.finish();
      });
      CHECK(skipped[0] == std::vector<bool>{false, true, false});
      CHECK(skipped[1] == skipped[0]);
      CHECK((std::isfinite(loss[0]) && loss[0] == loss[1]));
      CHECK(equal_bits(ends[0], ends[1]));
    }
  }
}

TEST_CASE("meeting of ranks: all know each other's number, or both sides say who does not", "[ranks]") {
  CHECK(meetings({place_of(0, 3), place_of(1, 3), place_of(2, 3)}) == std::vector<std::string>{"", "", ""});
  const auto numbers = meetings({place_of(0, 2), place_of(1, 3)});
  CHECK_THAT(numbers[0], Catch::Contains("rank 0 was told of 2, rank 1 of 3"));
  CHECK_THAT(numbers[1], Catch::Contains("rank 1 was told of 3, rank 0 of 2"));
  const auto twice = meetings({place_of(0, 2), place_of(1, 2), place_of(1, 2)});
  CHECK(twice[0].empty());
  CHECK((twice[1].empty() != twice[2].empty()));
  CHECK_THAT(twice[1] + twice[2], Catch::Contains("rank 1 of 2") && Catch::Contains("is there twice"));
}

TEST_CASE("meeting of ranks: of what c10d says the first line, without the place in its sources", "[ranks]") {
  CHECK(plain_cause("[/src/gloo/pair.cc:547] Connection closed by peer [127.0.0.1]:59018\nframe #0: x") ==
        "Connection closed by peer [127.0.0.1]:59018");
  CHECK(plain_cause("The server socket has failed to listen") == "The server socket has failed to listen");
}
