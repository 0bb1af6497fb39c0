"""Windows services, by pywin32: what installs one, and what it runs. It was never run.

The service is this module, run by the Python of procman (`python -m procman.host.windows.service NAME`). It
starts the manager, which is a process of its own, and asks it to stop as its user would: `procman down`. It
knows nothing else of either.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence

from procman.host.service_manager import NotDone, ServiceState

assert sys.platform == "win32"

try:
    import pywintypes
    import servicemanager
    import win32event
    import win32service
    import win32serviceutil
except ImportError as error:
    raise NotDone("a Windows service needs pywin32", "`pip install procman-portwatch[service]`") from error

RESTART_MS = 2000  # from the end of a manager to its next start
FORGOTTEN_AFTER_S = 86_400  # failures before that do not count; each is answered in the same way anyway
WORDS = {
    win32service.SERVICE_RUNNING: "running",
    win32service.SERVICE_STOPPED: "stopped",
    win32service.SERVICE_START_PENDING: "starting",
    win32service.SERVICE_STOP_PENDING: "stopping",
}
PATIENCE_S = 60


class WindowsServices:
    """The services of the machine; a user has none of their own."""

    kind = "windows"

    def __init__(self, *, system: bool) -> None:
        self.system = system

    def folder(self) -> str:
        """Return where descriptions of services are."""
        return os.path.join(os.environ.get("PROGRAMDATA", r"C:\ProgramData"), "procman", "services")

    def file_name(self, name: str) -> str:
        """Return the name of the description."""
        return f"{name}.json"

    def name_of(self, file_name: str) -> str:
        """Return the name of the service that has this description."""
        return file_name.removesuffix(".json")

    def demand(self) -> None:
        """Return if services can be installed: by an administrator, for the machine."""
        if not self.system:
            raise NotDone("Windows has services of the machine alone", "`--system`, as an administrator")
        try:
            manager = win32service.OpenSCManager(None, None, win32service.SC_MANAGER_CREATE_SERVICE)
        except pywintypes.error as error:
            raise NotDone(
                f"no service can be installed: {error.strerror}", "run it as an administrator"
            ) from error
        win32service.CloseServiceHandle(manager)

    def enable(self, name: str) -> None:
        """Have the service start with the machine, and again 2 s after each failure."""
        command = f'"{sys.executable}" -P -m procman.host.windows.service {name}'
        manager = win32service.OpenSCManager(None, None, win32service.SC_MANAGER_ALL_ACCESS)
        try:
            try:
                service = win32service.OpenService(manager, name, win32service.SERVICE_ALL_ACCESS)
                win32service.ChangeServiceConfig(
                    service,
                    win32service.SERVICE_NO_CHANGE,
                    win32service.SERVICE_AUTO_START,
                    win32service.SERVICE_NO_CHANGE,
                    command,
                    None,
                    False,
                    None,
                    None,
                    None,
                    None,
                )
            except pywintypes.error:
                service = win32service.CreateService(
                    manager,
                    name,
                    name,
                    win32service.SERVICE_ALL_ACCESS,
                    win32service.SERVICE_WIN32_OWN_PROCESS,
                    win32service.SERVICE_AUTO_START,
                    win32service.SERVICE_ERROR_NORMAL,
                    command,
                    None,
                    False,
                    None,
                    None,
                    None,
                )
            again = [(win32service.SC_ACTION_RESTART, RESTART_MS)]
            actions = {"ResetPeriod": FORGOTTEN_AFTER_S, "RebootMsg": "", "Command": "", "Actions": again}
            win32service.ChangeServiceConfig2(service, win32service.SERVICE_CONFIG_FAILURE_ACTIONS, actions)
            win32service.ChangeServiceConfig2(service, win32service.SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, True)
            win32service.CloseServiceHandle(service)
        except pywintypes.error as error:
            raise NotDone(f"`{name}` could not be installed: {error.strerror}") from error
        finally:
            win32service.CloseServiceHandle(manager)

    def start(self, name: str) -> None:
        """Start the service, and return when it runs."""
        try:
            win32serviceutil.StartService(name)
            win32serviceutil.WaitForServiceStatus(name, win32service.SERVICE_RUNNING, PATIENCE_S)
        except pywintypes.error as error:
            raise NotDone(f"`{name}` did not start: {error.strerror}", self.spell("status", name)) from error

    def remove(self, name: str) -> None:
        """Stop the service, which stops its apps, and take it away."""
        with contextlib.suppress(pywintypes.error):  # it does not run
            win32serviceutil.StopService(name)
            win32serviceutil.WaitForServiceStatus(name, win32service.SERVICE_STOPPED, PATIENCE_S)
        try:
            win32serviceutil.RemoveService(name)
        except pywintypes.error as error:
            raise NotDone(f"`{name}` could not be removed: {error.strerror}") from error

    def forget(self, name: str) -> None:
        """Do nothing: a service that was removed is forgotten."""

    def state(self, name: str) -> ServiceState:
        """Return what the service does; the pid is that of this module, not of the manager."""
        try:
            status = win32serviceutil.QueryServiceStatus(name)
        except pywintypes.error:
            return ServiceState()
        code = status[3]
        return ServiceState(True, True, WORDS.get(status[1], "?"), error=f"error {code}" if code else "")

    def lingers(self) -> bool | None:
        """Return None: a service of the machine needs no login."""
        return None

    def linger(self) -> None:
        """Do nothing, for the same reason."""

    def spell(self, verb: str, name: str) -> str:
        """Return what to type for that."""
        return f"sc.exe {'query' if verb == 'status' else verb} {name}"


class ManagerService(win32serviceutil.ServiceFramework):
    """The service as Windows runs it; its name is the last word of its command line."""

    _svc_name_ = sys.argv[-1]
    _svc_display_name_ = _svc_name_

    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__(arguments)
        self._asked = win32event.CreateEvent(None, False, False, None)
        path = os.path.join(WindowsServices(system=True).folder(), f"{self._svc_name_}.json")
        with open(path, encoding="utf-8") as file:
            self._about = json.load(file)

    def SvcStop(self) -> None:
        """Note that Windows wants it to end, a shutdown included."""
        wait = int(self._about["stop_within_s"] * 1000)
        self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING, waitHint=wait)
        win32event.SetEvent(self._asked)

    SvcShutdown = SvcStop

    def SvcDoRun(self) -> None:
        """Run the manager until it ends or is to end; an end with an error is one of the service."""
        environment = {**os.environ, **self._about["environment"]}
        manager = subprocess.Popen(
            self._about["command"],
            cwd=self._about["folder"],
            env=environment,
            stdin=subprocess.DEVNULL,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )
        handles = [self._asked, int(manager._handle)]  # type: ignore[attr-defined]
        if win32event.WaitForMultipleObjects(handles, False, win32event.INFINITE) == win32event.WAIT_OBJECT_0:
            subprocess.run(self._about["stop"], cwd=self._about["folder"], env=environment, check=False)
        code = manager.wait()
        self.ReportServiceStatus(win32service.SERVICE_STOPPED, win32ExitCode=1 if code else 0)


if __name__ == "__main__":
    servicemanager.Initialize()
    servicemanager.PrepareToHostSingle(ManagerService)
    servicemanager.StartServiceCtrlDispatcher()  # type: ignore[no-untyped-call]
