#include "core/instruction_set.h"

#include <string>

#include "support/catch.h"

using namespace liere;

TEST_CASE("the instruction set has a name") {
  const std::string name = name_of(instruction_set());
  INFO(name);
  CHECK((name == "AVX-512" || name == "AVX2" || name == "portable"));
}
