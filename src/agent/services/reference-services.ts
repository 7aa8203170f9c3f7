/** ThingsPro Edge's groups of `/system/services`, in its order. */
export const SERVICE_GROUPS = [
  'cloudConnectivity',
  'network',
  'protocol',
  'provisionService',
  'service',
] as const;
export type ServiceGroup = (typeof SERVICE_GROUPS)[number];

/** ThingsPro Edge's service ids. What this gateway does not have is listed as not available, as ThingsPro Edge does. */
export const REFERENCE_SERVICES: Readonly<Record<ServiceGroup, readonly string[]>> = {
  cloudConnectivity: ['cloud'],
  network: ['dhcpserver1', 'dhcpserver2', 'lan1', 'lan2', 'wifi', 'cellular', 'internetcheckalive'],
  protocol: ['modbusmaster', 'eipscanner', 'opcuaserver'],
  provisionService: ['provision', 'provisionschedule'],
  service: [
    'httpservice',
    'httpsservice',
    'sshserver',
    'localconsole',
    'sdcard',
    'ntp',
    'eventlog',
    'syslog',
  ],
};

/** Names for people. */
export const REFERENCE_NAMES: Readonly<Record<string, string>> = {
  cloud: 'Cloud connectivity',
  dhcpserver1: 'DHCP server LAN1',
  dhcpserver2: 'DHCP server LAN2',
  lan1: 'LAN1',
  lan2: 'LAN2',
  wifi: 'Wi-Fi',
  cellular: 'Cellular',
  internetcheckalive: 'Internet check-alive',
  modbusmaster: 'Modbus master',
  eipscanner: 'EtherNet/IP scanner',
  opcuaserver: 'OPC UA server',
  provision: 'Provisioning service',
  provisionschedule: 'Provisioning window',
  httpservice: 'HTTP redirect',
  httpsservice: 'HTTPS',
  sshserver: 'SSH server',
  localconsole: 'Serial console',
  sdcard: 'SD card',
  ntp: 'Time synchronisation',
  eventlog: 'Event log',
  syslog: 'Syslog',
};
