#pragma once

namespace tpe {

/**
 * Keeps a TPM thread out of libraries that exit() is taking down. Exit does not wait for a TPM command, so a thread
 * may be inside one while OpenSSL and the C++ runtime run their exit handlers; from then on it must not come back from
 * its wait.
 */
class ExitGate {
 public:
  /** Registers the exit handler; to be called once, when the addon is loaded. */
  static void install();

  /** The calling thread does TPM work that exit lets come to a wait first, for a bounded time. */
  class Working {
   public:
    Working();
    ~Working();
    Working(const Working&) = delete;
    Working& operator=(const Working&) = delete;
  };

  /** The calling thread is blocked outside our code; its end parks the thread for ever once exit has begun. */
  class Waiting {
   public:
    Waiting();
    ~Waiting();
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
  };
};

}  // namespace tpe
