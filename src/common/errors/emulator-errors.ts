import { defineErrors } from './define';

export const emulatorErrors = defineErrors({});
