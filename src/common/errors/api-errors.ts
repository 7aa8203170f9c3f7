import { defineErrors } from './define';

export const apiErrors = defineErrors({});
