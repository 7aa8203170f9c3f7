#include "exit_gate.hpp"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

namespace tpe {

namespace {

constexpr std::chrono::milliseconds kLongestWaitAtExit{200};

std::atomic<bool> exiting{false};
/** Threads inside our code or ESYS, not blocked in a TCTI and not idle. */
std::atomic<int> working{0};

void enter() {
  working.fetch_add(1);
  // A thread that comes back after exit began stays here; the process ends under it.
  if (!exiting.load()) return;
  working.fetch_sub(1);
  for (;;) pause();
}

void atExit() {
  exiting.store(true);
  const auto deadline = std::chrono::steady_clock::now() + kLongestWaitAtExit;
  while (working.load() > 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::microseconds{200});
  }
}

}  // namespace

void ExitGate::install() { std::atexit(atExit); }

ExitGate::Working::Working() { enter(); }
ExitGate::Working::~Working() { working.fetch_sub(1); }
ExitGate::Waiting::Waiting() { working.fetch_sub(1); }
ExitGate::Waiting::~Waiting() { enter(); }

}  // namespace tpe
