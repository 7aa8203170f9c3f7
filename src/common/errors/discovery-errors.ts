import { defineErrors } from './define';

export const discoveryErrors = defineErrors({});
