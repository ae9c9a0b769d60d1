// What liere-train --ranks starts, without a training: takes signals late, waits for one, ends with 75 a little later.
// usage: rank_stand_in MILLISECONDS_UNTIL_IT_TAKES_SIGNALS [FILE]      FILE followed by the rank holds its pid once it does
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "core/signals.h"

int main(int argc, char** argv) {
  const auto sleep = [](int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); };
  if (argc < 2) return 2;
  sleep(std::atoi(argv[1]));
  liere::install_stop_signals();
  if (argc > 2) {
    const auto file = argv[2] + std::string(std::getenv("LIERE_RANK"));
    std::ofstream(file + ".part") << ::getpid();
    std::rename((file + ".part").c_str(), file.c_str());
  }
  for (int i = 0; i < 2000; ++i) {
    if (liere::stop_requested()) {
      sleep(100);  // as a step is finished and saved
      return 75;
    }
    sleep(10);
  }
  return 0;
}
